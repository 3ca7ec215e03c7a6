//! Maps whose values are not bytes: programs (tail calls) and maps (maps of maps).
//!
//! Linux `arraymap.c` (fd arrays), `hashtab.c` (fd htab), `map_in_map.c`. The user side writes
//! handles, which a host may resolve through [`Handles`] as the kernel does descriptors, and reads
//! ids; hosts without handles use the typed functions. Programs get the object itself, kept alive
//! by an `Arc` for as long as they use it.

use super::array::next_index;
use super::create::{CreateError, budget};
use super::shape::{MapHead, MapShape, Settings, flag, update};
use super::{Batches, Errno, Map, MapKind};
use core::any::Any;
use core::fmt::Debug;
use oxbpf_isa::kernel::MapType;
use oxbpf_isa::kernel::ProgType;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// What the handles mean that the user side writes into maps: the host's table of descriptors.
pub trait Handles: Send + Sync + Debug {
    /// The map with this handle.
    fn map(&self, handle: u32) -> Option<Arc<dyn Map>> {
        let _ = handle;
        None
    }

    /// The program with this handle.
    fn program(&self, handle: u32) -> Option<Target> {
        let _ = handle;
        None
    }

    /// The object (socket, task, inode, cgroup) with this handle, by its number.
    fn object(&self, handle: u32) -> Option<u64> {
        let _ = handle;
        None
    }
}

/// What programs of one prog array have in common (Linux `bpf_prog_map_compatible`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Compat {
    pub prog_type: Option<ProgType>,
    /// The program may handle packets in fragments (XDP).
    pub xdp_frags: bool,
}

/// A program to call.
#[derive(Clone, Debug)]
pub struct Target {
    /// What the user side reads.
    pub id: u32,
    pub compat: Compat,
    /// The engine's own program.
    pub program: Arc<dyn Any + Send + Sync>,
}

/// `BPF_MAP_TYPE_PROG_ARRAY`.
///
/// Each slot has a *stamp*: 0 while it is empty, or else a number that no slot of any array had before it was
/// set. Who has once seen which program a stamp stands for need not ask the array again.
#[derive(Debug)]
pub struct ProgArrayMap {
    head: MapHead,
    slots: Slots<Target>,
    /// Changed only while the slot is locked.
    stamps: Box<[AtomicU64]>,
    owner: Mutex<Option<Compat>>,
    handles: Option<Arc<dyn Handles>>,
}

/// One place for each index.
type Slots<T> = Box<[RwLock<Option<T>>]>;

fn slots<T>(shape: &MapShape, settings: &Settings) -> Result<Slots<T>, CreateError> {
    row(shape, settings, || RwLock::new(None))
}

/// So many of something as the map has entries.
fn row<T>(shape: &MapShape, settings: &Settings, make: impl Fn() -> T) -> Result<Box<[T]>, CreateError> {
    let bytes = budget(shape, (size_of::<T>() as u64).checked_mul(u64::from(shape.max_entries)), settings)?;
    let mut row = Vec::new();
    row.try_reserve_exact(shape.max_entries as usize)
        .map_err(|_| super::create::no_memory(shape, bytes as u64, settings))?;
    row.extend((0..shape.max_entries).map(|_| make()));
    Ok(row.into_boxed_slice())
}

/// A stamp that nothing had before.
fn fresh_stamp() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

fn index(key: &[u8]) -> Result<u32, Errno> {
    Ok(u32::from_ne_bytes(key.try_into().map_err(|_| Errno::Inval)?))
}

/// Empties a slot: `ENOENT` when it is empty, `E2BIG` when there is none.
fn clear<T>(slots: &[RwLock<Option<T>>], index: u32) -> Result<(), Errno> {
    let slot = slots.get(index as usize).ok_or(Errno::TooBig)?;
    let old = slot.write().unwrap_or_else(PoisonError::into_inner).take();
    old.map(drop).ok_or(Errno::NoEnt)
}

fn get<T: Clone>(slots: &[RwLock<Option<T>>], index: u32) -> Option<T> {
    slots.get(index as usize)?.read().unwrap_or_else(PoisonError::into_inner).clone()
}

impl ProgArrayMap {
    pub(super) fn new(
        head: MapHead,
        handles: Option<Arc<dyn Handles>>,
        settings: &Settings,
    ) -> Result<ProgArrayMap, CreateError> {
        let each = (size_of::<RwLock<Option<Target>>>() + size_of::<AtomicU64>()) as u64;
        budget(head.shape(), each.checked_mul(u64::from(head.shape().max_entries)), settings)?;
        let slots = slots(head.shape(), settings)?;
        let stamps = row(head.shape(), settings, || AtomicU64::new(0))?;
        Ok(ProgArrayMap { head, slots, stamps, owner: Mutex::new(None), handles })
    }

    /// Ties the array to programs like this one, the first to use it; `EINVAL` for others.
    pub fn bind(&self, compat: Compat) -> Result<(), Errno> {
        let mut owner = self.owner.lock().unwrap_or_else(PoisonError::into_inner);
        if *owner.get_or_insert(compat) == compat { Ok(()) } else { Err(Errno::Inval) }
    }

    /// Puts a program into a slot.
    pub fn set(&self, index: u32, target: Target) -> Result<(), Errno> {
        if index as usize >= self.slots.len() {
            return Err(Errno::TooBig);
        }
        if target.compat.prog_type == Some(ProgType::Ext) {
            return Err(Errno::Inval);
        }
        self.bind(target.compat)?;
        self.replace(index, Some(target)).map(drop)
    }

    /// Changes a slot; gives what was in it.
    fn replace(&self, index: u32, target: Option<Target>) -> Result<Option<Target>, Errno> {
        let at = index as usize;
        let (Some(slot), Some(stamp)) = (self.slots.get(at), self.stamps.get(at)) else {
            return Err(Errno::TooBig);
        };
        let mut slot = slot.write().unwrap_or_else(PoisonError::into_inner);
        stamp.store(if target.is_some() { fresh_stamp() } else { 0 }, Ordering::Release);
        Ok(std::mem::replace(&mut *slot, target))
    }

    /// The program in a slot: what `bpf_tail_call` jumps to.
    pub fn target(&self, index: u32) -> Option<Target> {
        get(&self.slots, index)
    }

    /// The same with the slot's stamp.
    pub(crate) fn stamped(&self, index: u32) -> Option<(u64, Target)> {
        let slot = self.slots.get(index as usize)?.read().unwrap_or_else(PoisonError::into_inner);
        Some((self.stamps.get(index as usize)?.load(Ordering::Relaxed), slot.clone()?))
    }

    /// The stamps of all slots. They stay where they are as long as the map lives.
    pub(crate) fn stamps(&self) -> &[AtomicU64] {
        &self.stamps
    }
}

impl Map for ProgArrayMap {
    fn head(&self) -> &MapHead {
        &self.head
    }

    fn kind(&self) -> MapKind<'_> {
        MapKind::ProgArray(self)
    }

    fn delete(&self, key: &[u8], _cpu: u32) -> Result<(), Errno> {
        self.replace(index(key)?, None)?.map(drop).ok_or(Errno::NoEnt)
    }

    fn user_lookup(&self, key: &[u8], _flags: u64, out: &mut [u8]) -> Result<(), Errno> {
        let target = self.target(index(key)?).ok_or(Errno::NoEnt)?;
        out.copy_from_slice(&target.id.to_ne_bytes());
        Ok(())
    }

    fn user_update(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        let (index, handle) = (index(key)?, index(value)?);
        if flags != update::ANY {
            return Err(Errno::Inval);
        }
        if index >= self.head.shape().max_entries {
            return Err(Errno::TooBig);
        }
        let target = self.handles.as_ref().and_then(|handles| handles.program(handle));
        self.set(index, target.ok_or(Errno::BadF)?)
    }

    fn user_next_key(&self, key: Option<&[u8]>, out: &mut [u8]) -> Result<(), Errno> {
        next_index(key, self.head.shape().max_entries, out)
    }

    fn memory(&self) -> u64 {
        (size_of_val(&*self.slots) + size_of_val(&*self.stamps)) as u64
    }
}

/// `BPF_MAP_TYPE_ARRAY_OF_MAPS` and `BPF_MAP_TYPE_HASH_OF_MAPS`.
#[derive(Debug)]
pub struct MapOfMaps {
    head: MapHead,
    inner: MapShape,
    store: Store,
    handles: Option<Arc<dyn Handles>>,
    /// Most bytes the keys and references of a hash may take.
    limit: u64,
}

type ByKey = BTreeMap<Box<[u8]>, Arc<dyn Map>>;

#[derive(Debug)]
enum Store {
    Array(Slots<Arc<dyn Map>>),
    Hash(RwLock<ByKey>),
}

/// Whether a map may stand where the template is asked for: the same shape but for the size, which
/// only arrays without `BPF_F_INNER_MAP` fix.
pub(crate) fn same_shape(template: &MapShape, map: &MapShape) -> bool {
    let lasting = |shape: &MapShape| shape.flags & !(flag::RDONLY | flag::WRONLY);
    let sized = match template.map_type {
        MapType::Array => !template.has(flag::INNER_MAP),
        MapType::Xskmap => true,
        _ => false,
    };
    template.map_type == map.map_type
        && template.key_size == map.key_size
        && template.value_size == map.value_size
        && lasting(template) == lasting(map)
        && (!sized || template.max_entries == map.max_entries)
}

impl MapOfMaps {
    /// The shape that inner maps have.
    pub fn template(&self) -> &MapShape {
        &self.inner
    }

    pub(super) fn new(
        head: MapHead,
        inner: MapShape,
        handles: Option<Arc<dyn Handles>>,
        settings: &Settings,
    ) -> Result<MapOfMaps, CreateError> {
        let store = match head.shape().map_type {
            MapType::ArrayOfMaps => Store::Array(slots(head.shape(), settings)?),
            _ => Store::Hash(RwLock::default()),
        };
        Ok(MapOfMaps { head, inner, store, handles, limit: settings.memory_limit })
    }

    /// The shape of the maps in it.
    pub fn inner(&self) -> &MapShape {
        &self.inner
    }

    /// The map under a key: what a program's lookup points to.
    pub fn get(&self, key: &[u8]) -> Option<Arc<dyn Map>> {
        match &self.store {
            Store::Array(slots) => get(slots, index(key).ok()?),
            Store::Hash(maps) => maps.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned(),
        }
    }

    /// Bytes of one entry of a hash, about.
    fn entry_bytes(&self) -> u64 {
        u64::from(self.head.shape().key_size) + size_of::<(Box<[u8]>, Arc<dyn Map>)>() as u64
    }

    /// Puts a map under a key, with [`update`] flags.
    pub fn set(&self, key: &[u8], map: Arc<dyn Map>, flags: u64) -> Result<(), Errno> {
        let max = self.head.shape().max_entries;
        if let Store::Array(_) = self.store {
            if flags != update::ANY {
                return Err(Errno::Inval);
            }
            if index(key)? >= max {
                return Err(Errno::TooBig);
            }
        }
        if !same_shape(&self.inner, map.head().shape()) {
            return Err(Errno::Inval);
        }
        match &self.store {
            Store::Array(slots) => {
                let slot = &slots[index(key)? as usize];
                *slot.write().unwrap_or_else(PoisonError::into_inner) = Some(map);
            }
            Store::Hash(maps) => {
                let mut maps = maps.write().unwrap_or_else(PoisonError::into_inner);
                match (flags, maps.contains_key(key)) {
                    _ if flags > update::EXIST || key.len() != self.head.shape().key_size as usize => {
                        return Err(Errno::Inval);
                    }
                    (update::NOEXIST, true) => return Err(Errno::Exist),
                    (update::EXIST, false) => return Err(Errno::NoEnt),
                    (_, false) if maps.len() as u64 >= u64::from(max) => return Err(Errno::TooBig),
                    (_, false) if (maps.len() as u64 + 1) * self.entry_bytes() > self.limit => {
                        return Err(Errno::NoMem);
                    }
                    _ => drop(maps.insert(key.into(), map)),
                }
            }
        }
        Ok(())
    }
}

impl Map for MapOfMaps {
    fn head(&self) -> &MapHead {
        &self.head
    }

    fn kind(&self) -> MapKind<'_> {
        MapKind::MapOfMaps(self)
    }

    fn delete(&self, key: &[u8], _cpu: u32) -> Result<(), Errno> {
        match &self.store {
            Store::Array(slots) => clear(slots, index(key)?),
            Store::Hash(maps) => {
                let mut maps = maps.write().unwrap_or_else(PoisonError::into_inner);
                let removed = maps.remove(key);
                drop(maps);
                removed.map(drop).ok_or(Errno::NoEnt)
            }
        }
    }

    fn user_lookup(&self, key: &[u8], _flags: u64, out: &mut [u8]) -> Result<(), Errno> {
        let map = self.get(key).ok_or(Errno::NoEnt)?;
        out.copy_from_slice(&map.head().id().to_ne_bytes());
        Ok(())
    }

    fn user_update(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        let handle = index(value)?;
        if let Store::Array(_) = self.store {
            // The slot is judged before the handle.
            if flags != update::ANY {
                return Err(Errno::Inval);
            }
            if index(key)? >= self.head.shape().max_entries {
                return Err(Errno::TooBig);
            }
        }
        let map = self.handles.as_ref().and_then(|handles| handles.map(handle));
        self.set(key, map.ok_or(Errno::BadF)?, flags)
    }

    fn user_lookup_and_delete(&self, _key: &[u8], _flags: u64, _out: &mut [u8]) -> Result<(), Errno> {
        Err(Errno::NotSupp)
    }

    fn user_next_key(&self, key: Option<&[u8]>, out: &mut [u8]) -> Result<(), Errno> {
        use core::ops::Bound::{Excluded, Unbounded};
        match &self.store {
            Store::Array(_) => next_index(key, self.head.shape().max_entries, out),
            Store::Hash(maps) => {
                let maps = maps.read().unwrap_or_else(PoisonError::into_inner);
                let known = key.filter(|key| maps.contains_key(*key));
                let next = match known {
                    Some(key) => maps.range::<[u8], _>((Excluded(key), Unbounded)).next(),
                    None => maps.iter().next(),
                };
                out.copy_from_slice(next.ok_or(Errno::NoEnt)?.0);
                Ok(())
            }
        }
    }

    fn batches(&self) -> Batches {
        match self.store {
            Store::Array(_) => Batches { lookup: true, update: true, ..Batches::NONE },
            Store::Hash(_) => Batches::ALL,
        }
    }

    fn memory(&self) -> u64 {
        match &self.store {
            Store::Array(slots) => size_of_val(&**slots) as u64,
            Store::Hash(maps) => {
                maps.read().unwrap_or_else(PoisonError::into_inner).len() as u64 * self.entry_bytes()
            }
        }
    }
}
