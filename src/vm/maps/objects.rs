//! Tables of the host's objects: sockets, XDP sockets and cgroups, by number.
//!
//! Linux `net/core/sock_map.c`, `net/xdp/xskmap.c`, `reuseport_array.c`, and the cgroup array of
//! `arraymap.c`. An object is a number that the host chooses (a socket's cookie, a cgroup's id);
//! programs redirect to it or ask about it through helpers of the engine.

use super::array::next_index;
use super::create::CreateError;
use super::handles::Handles;
use super::shape::{MapHead, Settings, update};
use super::{Errno, Map, MapKind};
use core::ops::Bound::{Excluded, Unbounded};
use oxbpf_isa::kernel::MapType;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// `BPF_MAP_TYPE_SOCKMAP`, `SOCKHASH`, `XSKMAP`, `REUSEPORT_SOCKARRAY` and `CGROUP_ARRAY`.
#[derive(Debug)]
pub struct ObjectMap {
    head: MapHead,
    objects: RwLock<BTreeMap<Box<[u8]>, u64>>,
    handles: Option<Arc<dyn Handles>>,
    limit: u64,
}

impl ObjectMap {
    pub(super) fn new(
        head: MapHead,
        handles: Option<Arc<dyn Handles>>,
        settings: &Settings,
    ) -> Result<ObjectMap, CreateError> {
        Ok(ObjectMap { head, objects: RwLock::default(), handles, limit: settings.memory_limit })
    }

    fn kind_of(&self) -> MapType {
        self.head.shape().map_type
    }

    /// Whether the key is an index in range; `out_of_range` when not.
    fn check_key(&self, key: &[u8], out_of_range: Errno) -> Result<(), Errno> {
        if key.len() != self.head.shape().key_size as usize {
            return Err(Errno::Inval);
        }
        if self.kind_of() == MapType::Sockhash {
            return Ok(());
        }
        let index = u32::from_ne_bytes(key.try_into().map_err(|_| Errno::Inval)?);
        if index < self.head.shape().max_entries { Ok(()) } else { Err(out_of_range) }
    }

    /// The object under a key.
    pub fn get(&self, key: &[u8]) -> Option<u64> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }

    /// Bytes of one entry, about.
    fn entry_bytes(&self) -> u64 {
        u64::from(self.head.shape().key_size) + size_of::<(Box<[u8]>, u64)>() as u64
    }

    /// Puts an object under a key, with [`update`] flags.
    pub fn set(&self, key: &[u8], object: u64, flags: u64) -> Result<(), Errno> {
        let most = if self.kind_of() == MapType::CgroupArray { update::ANY } else { update::EXIST };
        if flags > most {
            return Err(Errno::Inval);
        }
        self.check_key(key, Errno::TooBig)?;
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        match (flags, objects.contains_key(key)) {
            (update::NOEXIST, true) => Err(Errno::Exist),
            (update::EXIST, false) => Err(Errno::NoEnt),
            (_, false) if objects.len() as u64 >= u64::from(self.head.shape().max_entries) => {
                Err(Errno::TooBig)
            }
            (_, false) if (objects.len() as u64 + 1) * self.entry_bytes() > self.limit => Err(Errno::NoMem),
            _ => {
                objects.insert(key.into(), object);
                Ok(())
            }
        }
    }
}

impl Map for ObjectMap {
    fn head(&self) -> &MapHead {
        &self.head
    }

    fn kind(&self) -> MapKind<'_> {
        MapKind::Objects(self)
    }

    fn delete(&self, key: &[u8], _cpu: u32) -> Result<(), Errno> {
        // Each family has its own words for an index out of range and for an empty place.
        let (range, empty) = match self.kind_of() {
            MapType::Sockmap => (Errno::Inval, Some(Errno::Inval)),
            MapType::Xskmap => (Errno::Inval, None),
            _ => (Errno::TooBig, Some(Errno::NoEnt)),
        };
        self.check_key(key, range)?;
        let old = self.objects.write().unwrap_or_else(PoisonError::into_inner).remove(key);
        match empty {
            Some(errno) if old.is_none() => Err(errno),
            _ => Ok(()),
        }
    }

    fn user_lookup(&self, key: &[u8], _flags: u64, out: &mut [u8]) -> Result<(), Errno> {
        match self.kind_of() {
            MapType::CgroupArray => return Err(Errno::NotSupp),
            MapType::Xskmap => return Err(Errno::OpNotSupp),
            _ if out.len() != 8 => return Err(Errno::NoSpc),
            _ => {}
        }
        out.copy_from_slice(&self.get(key).ok_or(Errno::NoEnt)?.to_ne_bytes());
        Ok(())
    }

    fn user_update(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        let handle = match *value {
            [a, b, c, d] => u64::from(u32::from_ne_bytes([a, b, c, d])),
            _ => u64::from_ne_bytes(value.try_into().map_err(|_| Errno::Inval)?),
        };
        let sockets = matches!(self.kind_of(), MapType::Sockmap | MapType::Sockhash);
        if !sockets {
            // The place is judged before the handle.
            if flags > (if self.kind_of() == MapType::CgroupArray { update::ANY } else { update::EXIST }) {
                return Err(Errno::Inval);
            }
            self.check_key(key, Errno::TooBig)?;
        }
        if handle > i32::MAX as u64 && self.kind_of() != MapType::CgroupArray {
            return Err(if self.kind_of() == MapType::Xskmap { Errno::BadF } else { Errno::Inval });
        }
        let object = self.handles.as_ref().and_then(|handles| handles.object(handle as u32));
        self.set(key, object.ok_or(Errno::BadF)?, flags)
    }

    fn user_next_key(&self, key: Option<&[u8]>, out: &mut [u8]) -> Result<(), Errno> {
        if self.kind_of() != MapType::Sockhash {
            return next_index(key, self.head.shape().max_entries, out);
        }
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        let next = match key.filter(|key| objects.contains_key(*key)) {
            Some(key) => objects.range::<[u8], _>((Excluded(key), Unbounded)).next(),
            None => objects.iter().next(),
        };
        out.copy_from_slice(next.ok_or(Errno::NoEnt)?.0);
        Ok(())
    }

    fn memory(&self) -> u64 {
        self.objects.read().unwrap_or_else(PoisonError::into_inner).len() as u64 * self.entry_bytes()
    }
}
