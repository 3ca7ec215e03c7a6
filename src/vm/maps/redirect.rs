//! Targets of redirection: devices and CPUs, by number.
//!
//! Linux `devmap.c`, `cpumap.c`. A device value is an interface index and perhaps a program to run
//! there; a CPU value is the length of its queue and perhaps a program. Every interface index but 0
//! is taken for a device: which exist, the host knows. What happens to a packet that is sent there
//! is the engine's; the map says where to.

use super::array::next_index;
use super::create::CreateError;
use super::handles::Handles;
use super::mem::{copy_in, copy_out};
use super::shape::{MapHead, Settings, update};
use super::slab::{Elem, Slab};
use super::{Batches, Errno, Map, MapKind, ValueSpan};
use core::ops::Bound::{Excluded, Unbounded};
use core::ptr::NonNull;
use oxbpf_isa::kernel::MapType;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// `BPF_MAP_TYPE_DEVMAP`, `DEVMAP_HASH` and `CPUMAP`.
#[derive(Debug)]
pub struct RedirectMap {
    head: MapHead,
    slab: Slab,
    targets: RwLock<BTreeMap<u32, Elem>>,
    handles: Option<Arc<dyn Handles>>,
}

/// Longest queue of a CPU.
const CPU_QUEUE_MAX: u32 = 16384;

/// Where a packet is redirected to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RedirectTarget {
    /// The interface index, or the length of the CPU's queue.
    pub value: u32,
    /// The id of the program that runs there; 0 for none.
    pub program: u32,
}

impl RedirectMap {
    pub(super) fn new(
        head: MapHead,
        handles: Option<Arc<dyn Handles>>,
        settings: &Settings,
    ) -> Result<RedirectMap, CreateError> {
        // A target that is replaced keeps its element until the new one is in place.
        let capacity = head.shape().max_entries.saturating_add(1).min(u32::MAX - 1);
        let slab = Slab::new(head.shape(), capacity, false, head.cpus(), settings)?;
        Ok(RedirectMap { head, slab, targets: RwLock::default(), handles })
    }

    fn key(&self, key: &[u8]) -> Result<u32, Errno> {
        Ok(u32::from_ne_bytes(key.try_into().map_err(|_| Errno::Inval)?))
    }

    fn find(&self, key: u32) -> Option<Elem> {
        self.targets.read().unwrap_or_else(PoisonError::into_inner).get(&key).copied()
    }

    /// The target under a number: what `bpf_redirect_map` chooses.
    pub fn target(&self, key: u32) -> Option<RedirectTarget> {
        let mut bytes = [0; 8];
        let size = self.head.shape().value_size as usize;
        // SAFETY: the element has a value of this length, 4 or 8.
        unsafe { copy_out(self.slab.value(self.find(key)?, 0), &mut bytes[..size]) };
        let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        Some(RedirectTarget { value: word(0), program: word(4) })
    }

    /// Every target by its number, in order: `BPF_F_BROADCAST`.
    pub fn targets(&self) -> Vec<(u32, RedirectTarget)> {
        let keys: Vec<u32> =
            self.targets.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect();
        keys.into_iter().filter_map(|key| Some((key, self.target(key)?))).collect()
    }

    /// Whether an update may go on; `Ok(false)` when it empties the place instead.
    fn check(&self, key: u32, target: RedirectTarget, flags: u64) -> Result<bool, Errno> {
        let shape = self.head.shape();
        if flags > update::EXIST {
            return Err(Errno::Inval);
        }
        if shape.map_type == MapType::DevmapHash {
            return if target.value == 0 { Err(Errno::Inval) } else { Ok(true) };
        }
        if key >= shape.max_entries {
            return Err(Errno::TooBig);
        }
        if flags == update::NOEXIST {
            return Err(Errno::Exist);
        }
        if shape.map_type == MapType::Cpumap {
            if target.value > CPU_QUEUE_MAX {
                return Err(Errno::Overflow);
            }
            if key >= self.head.cpus() {
                return Err(Errno::NoDev);
            }
        } else if target.value == 0 && target.program as i32 > 0 {
            return Err(Errno::Inval);
        }
        Ok(target.value != 0)
    }

    fn write(&self, key: u32, mut target: RedirectTarget, flags: u64, cpu: u32) -> Result<(), Errno> {
        if !self.check(key, target, flags)? {
            let old = self.targets.write().unwrap_or_else(PoisonError::into_inner).remove(&key);
            old.into_iter().for_each(|elem| self.slab.push(elem, cpu));
            return Ok(());
        }
        let hash = self.head.shape().map_type == MapType::DevmapHash;
        let mut targets = self.targets.write().unwrap_or_else(PoisonError::into_inner);
        let had = targets.contains_key(&key);
        if hash && had && flags & update::NOEXIST != 0 {
            return Err(Errno::Exist);
        }
        target.program = self.program(target.program)?;
        if hash && !had && targets.len() as u64 >= u64::from(self.head.shape().max_entries) {
            return Err(Errno::TooBig);
        }
        let new = self.slab.pop(cpu).ok_or(Errno::NoMem)?;
        let bytes = [target.value.to_ne_bytes(), target.program.to_ne_bytes()].concat();
        // SAFETY: the element has a value of this length, 4 or 8.
        unsafe { copy_in(self.slab.value(new, 0), &bytes[..self.head.shape().value_size as usize]) };
        if let Some(old) = targets.insert(key, new) {
            self.slab.push(old, cpu);
        }
        Ok(())
    }

    /// The id of the program with this handle.
    fn program(&self, handle: u32) -> Result<u32, Errno> {
        if handle as i32 <= 0 {
            return Ok(0);
        }
        let program = self.handles.as_ref().and_then(|handles| handles.program(handle));
        // A CPU's entry fails as a whole, whatever the reason.
        let cpumap = self.head.shape().map_type == MapType::Cpumap;
        program.map(|program| program.id).ok_or(if cpumap { Errno::NoMem } else { Errno::Inval })
    }
}

impl Map for RedirectMap {
    fn head(&self) -> &MapHead {
        &self.head
    }

    fn kind(&self) -> MapKind<'_> {
        MapKind::Redirect(self)
    }

    fn lookup(&self, key: &[u8], _cpu: u32) -> Option<NonNull<u8>> {
        Some(self.slab.value(self.find(self.key(key).ok()?)?, 0))
    }

    fn update(&self, key: &[u8], value: &[u8], flags: u64, cpu: u32) -> Result<(), Errno> {
        if value.len() != self.head.shape().value_size as usize {
            return Err(Errno::Inval);
        }
        let word = |at: usize| value.get(at..at + 4).map(|word| self.key(word)).unwrap_or(Ok(0));
        let target = RedirectTarget { value: word(0)?, program: word(4)? };
        self.write(self.key(key)?, target, flags, cpu)
    }

    fn delete(&self, key: &[u8], cpu: u32) -> Result<(), Errno> {
        let key = self.key(key)?;
        let hash = self.head.shape().map_type == MapType::DevmapHash;
        if !hash && key >= self.head.shape().max_entries {
            return Err(Errno::Inval);
        }
        let old = self.targets.write().unwrap_or_else(PoisonError::into_inner).remove(&key);
        if hash && old.is_none() {
            return Err(Errno::NoEnt);
        }
        old.into_iter().for_each(|elem| self.slab.push(elem, cpu));
        Ok(())
    }

    fn value_span(&self, addr: usize) -> Option<ValueSpan> {
        self.slab.value_span(addr)
    }

    fn user_lookup(&self, key: &[u8], _flags: u64, out: &mut [u8]) -> Result<(), Errno> {
        let at = self.lookup(key, 0).ok_or(Errno::NoEnt)?;
        // SAFETY: the element has a value of the length of `out`.
        unsafe { copy_out(at, out) };
        Ok(())
    }

    fn user_next_key(&self, key: Option<&[u8]>, out: &mut [u8]) -> Result<(), Errno> {
        if self.head.shape().map_type != MapType::DevmapHash {
            return next_index(key, self.head.shape().max_entries, out);
        }
        let key = key.map(|key| self.key(key)).transpose()?;
        let targets = self.targets.read().unwrap_or_else(PoisonError::into_inner);
        let next = match key.filter(|key| targets.contains_key(key)) {
            Some(key) => targets.range((Excluded(key), Unbounded)).next(),
            None => targets.iter().next(),
        };
        out.copy_from_slice(&next.ok_or(Errno::NoEnt)?.0.to_ne_bytes());
        Ok(())
    }

    fn batches(&self) -> Batches {
        Batches::NONE
    }

    fn memory(&self) -> u64 {
        self.slab.bytes()
    }
}
