//! Local storage: a value for each socket, task, inode or cgroup, named by the host's number.
//!
//! Linux `bpf_local_storage.c`. Programs get or create the value of an object; the host tells when
//! an object is gone. The user side names objects by handles of the host.

use super::create::CreateError;
use super::handles::Handles;
use super::mem::{read_value, with_value_lock, write_value};
use super::shape::{MapHead, Settings, update};
use super::slab::{Elem, Slab};
use super::{Errno, Map, MapKind, ValueSpan};
use core::ptr::NonNull;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Flag of `bpf_*_storage_get`: create the value when there is none.
pub const STORAGE_GET_CREATE: u64 = 1;

/// `BPF_MAP_TYPE_SK_STORAGE`, `TASK_STORAGE`, `INODE_STORAGE` and `CGRP_STORAGE`.
#[derive(Debug)]
pub struct StorageMap {
    head: MapHead,
    slab: Slab,
    values: RwLock<BTreeMap<u64, Elem>>,
    handles: Option<Arc<dyn Handles>>,
}

impl StorageMap {
    pub(super) fn new(
        head: MapHead,
        handles: Option<Arc<dyn Handles>>,
        settings: &Settings,
    ) -> Result<StorageMap, CreateError> {
        let slab = Slab::new(head.shape(), u32::MAX - 1, false, head.cpus(), settings)?;
        Ok(StorageMap { head, slab, values: RwLock::default(), handles })
    }

    fn find(&self, object: u64) -> Option<Elem> {
        self.values.read().unwrap_or_else(PoisonError::into_inner).get(&object).copied()
    }

    /// `bpf_*_storage_get`: the address of the object's value. With [`STORAGE_GET_CREATE`] it is
    /// created from `init`, or zeros. None for other flags, and without memory.
    pub fn get(&self, object: u64, init: Option<&[u8]>, flags: u64, cpu: u32) -> Option<NonNull<u8>> {
        if flags & !STORAGE_GET_CREATE != 0 {
            return None;
        }
        if let Some(elem) = self.find(object) {
            return Some(self.slab.value(elem, 0));
        }
        let size = self.head.shape().value_size as usize;
        if flags == 0 || init.is_some_and(|init| init.len() != size) {
            return None;
        }
        let zeros = vec![0; if init.is_some() { 0 } else { size }];
        match self.write(object, init.unwrap_or(&zeros), update::NOEXIST, cpu) {
            // Another thread may have created it in between.
            Ok(()) | Err(Errno::Exist) => Some(self.slab.value(self.find(object)?, 0)),
            Err(_) => None,
        }
    }

    /// `bpf_*_storage_delete`, and what the host calls when the object is gone.
    pub fn remove(&self, object: u64, cpu: u32) -> Result<(), Errno> {
        let old = self.values.write().unwrap_or_else(PoisonError::into_inner).remove(&object);
        self.slab.push(old.ok_or(Errno::NoEnt)?, cpu);
        Ok(())
    }

    /// Writes the value of an object, with [`update`] flags.
    pub fn write(&self, object: u64, value: &[u8], flags: u64, cpu: u32) -> Result<(), Errno> {
        let locked = flags & update::LOCK != 0;
        if flags & !update::LOCK > update::EXIST || locked && self.head.spin_lock().is_none() {
            return Err(Errno::Inval);
        }
        if value.len() != self.head.shape().value_size as usize {
            return Err(Errno::Inval);
        }
        let mut values = self.values.write().unwrap_or_else(PoisonError::into_inner);
        let old = values.get(&object).copied();
        match (flags & !update::LOCK, old) {
            (update::NOEXIST, Some(_)) => return Err(Errno::Exist),
            (update::EXIST, None) => return Err(Errno::NoEnt),
            (_, Some(old)) if locked => {
                let at = self.slab.value(old, 0);
                // SAFETY: the element has a value of this length.
                return unsafe {
                    with_value_lock(&self.head, at, || write_value(&self.head, at, value, false))
                };
            }
            _ => {}
        }
        let new = self.slab.pop(cpu).ok_or(Errno::NoMem)?;
        // SAFETY: the element has a value of this length.
        unsafe { write_value(&self.head, self.slab.value(new, 0), value, true) };
        if let Some(old) = values.insert(object, new) {
            self.slab.push(old, cpu);
        }
        Ok(())
    }

    fn object(&self, key: &[u8]) -> Result<u64, Errno> {
        let handle = u32::from_ne_bytes(key.try_into().map_err(|_| Errno::Inval)?);
        self.handles.as_ref().and_then(|handles| handles.object(handle)).ok_or(Errno::BadF)
    }
}

impl Map for StorageMap {
    fn head(&self) -> &MapHead {
        &self.head
    }

    fn kind(&self) -> MapKind<'_> {
        MapKind::Storage(self)
    }

    fn delete(&self, key: &[u8], cpu: u32) -> Result<(), Errno> {
        self.remove(self.object(key)?, cpu)
    }

    fn value_span(&self, addr: usize) -> Option<ValueSpan> {
        self.slab.value_span(addr)
    }

    fn user_lookup(&self, key: &[u8], flags: u64, out: &mut [u8]) -> Result<(), Errno> {
        let elem = self.find(self.object(key)?).ok_or(Errno::NoEnt)?;
        let at = self.slab.value(elem, 0);
        // SAFETY: the element has a value of the length of `out`.
        unsafe {
            if flags & update::LOCK != 0 {
                with_value_lock(&self.head, at, || read_value(&self.head, at, out))?;
            } else {
                read_value(&self.head, at, out);
            }
        }
        Ok(())
    }

    fn user_update(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        self.write(self.object(key)?, value, flags, 0)
    }

    fn user_next_key(&self, _key: Option<&[u8]>, _out: &mut [u8]) -> Result<(), Errno> {
        Err(Errno::NotSupp)
    }

    fn memory(&self) -> u64 {
        self.slab.bytes()
    }
}
