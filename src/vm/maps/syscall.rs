//! The user side: the element commands of bpf(2), with their checks and error numbers.
//!
//! Linux `kernel/bpf/syscall.c`, `map_lookup_elem` to `bpf_map_do_batch`: permissions first
//! (`EPERM` when the map was created read- or write-only for the user side, or is frozen), then
//! flags, then the family's answer. Keys and values that do not have the map's size, which
//! bpf(2) cannot see, are `EINVAL`.

use super::shape::update;
use super::{Errno, Map, MapKind};
use oxbpf_isa::kernel::MapType;

/// What a batch command got done.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Batch {
    /// Keys, one after the other.
    pub keys: Vec<u8>,
    /// Values in the same order, each [`user_value_size`](super::MapShape::user_value_size) long.
    pub values: Vec<u8>,
    /// Elements done.
    pub count: u32,
    /// Where the next batch goes on; to be given back as it is.
    pub token: Option<Vec<u8>>,
    /// Why the command stopped before its time; `ENOENT` when the map came to its end.
    pub stopped: Option<Errno>,
}

/// A key and its value, as the user side copies them.
pub type Element = (Vec<u8>, Vec<u8>);

impl Batch {
    fn failed(errno: Errno) -> Batch {
        Batch { stopped: Some(errno), ..Batch::default() }
    }
}

impl dyn Map + '_ {
    fn check_lock(&self, flags: u64) -> Result<(), Errno> {
        let has = self.head().spin_lock().is_some();
        if flags & update::LOCK != 0 && !has { Err(Errno::Inval) } else { Ok(()) }
    }

    fn check_key(&self, key: &[u8]) -> Result<(), Errno> {
        let fits = key.len() == self.head().shape().key_size as usize;
        fits.then_some(()).ok_or(Errno::Inval)
    }

    /// Bytes of a value as the user side sees it: those of all CPUs for a per-CPU map.
    pub fn user_value_size(&self) -> usize {
        self.head().shape().user_value_size(self.head().cpus())
    }

    /// `BPF_MAP_LOOKUP_ELEM`.
    pub fn lookup_elem(&self, key: &[u8], flags: u64) -> Result<Vec<u8>, Errno> {
        let mut out = vec![0; self.user_value_size()];
        self.lookup_elem_into(key, flags, &mut out)?;
        Ok(out)
    }

    /// `BPF_MAP_LOOKUP_ELEM` into a buffer of [`user_value_size`](trait.Map.html#method.user_value_size) bytes; a bloom filter is
    /// asked about the value in the buffer.
    pub fn lookup_elem_into(&self, key: &[u8], flags: u64, out: &mut [u8]) -> Result<(), Errno> {
        if flags & !update::LOCK != 0 {
            return Err(Errno::Inval);
        }
        if !self.head().user_may_read() {
            return Err(Errno::Perm);
        }
        self.check_lock(flags)?;
        self.check_key(key)?;
        if out.len() != self.user_value_size() {
            return Err(Errno::Inval);
        }
        match self.head().shape().map_type {
            MapType::Queue | MapType::Stack | MapType::BloomFilter => self.peek(out),
            _ => self.user_lookup(key, flags, out),
        }
    }

    /// `BPF_MAP_UPDATE_ELEM`.
    pub fn update_elem(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        let _writing = self.head().write_active();
        if !self.head().user_may_write() {
            return Err(Errno::Perm);
        }
        self.check_lock(flags)?;
        self.check_key(key)?;
        self.update_value(key, value, flags)
    }

    fn update_value(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        if value.len() != self.user_value_size() {
            return Err(Errno::Inval);
        }
        match self.head().shape().map_type {
            MapType::Queue | MapType::Stack | MapType::BloomFilter => self.push(value, flags),
            _ => self.user_update(key, value, flags),
        }
    }

    /// `BPF_MAP_DELETE_ELEM`.
    pub fn delete_elem(&self, key: &[u8]) -> Result<(), Errno> {
        let _writing = self.head().write_active();
        if !self.head().user_may_write() {
            return Err(Errno::Perm);
        }
        self.check_key(key)?;
        self.delete(key, 0)
    }

    /// `BPF_MAP_LOOKUP_AND_DELETE_ELEM`.
    pub fn lookup_and_delete_elem(&self, key: &[u8], flags: u64) -> Result<Vec<u8>, Errno> {
        if flags & !update::LOCK != 0 {
            return Err(Errno::Inval);
        }
        let _writing = self.head().write_active();
        if !self.head().user_may_read() || !self.head().user_may_write() {
            return Err(Errno::Perm);
        }
        let queue = matches!(self.head().shape().map_type, MapType::Queue | MapType::Stack);
        if flags != 0 && queue {
            return Err(Errno::Inval);
        }
        self.check_lock(flags)?;
        self.check_key(key)?;
        let mut out = vec![0; self.user_value_size()];
        if queue { self.pop(&mut out) } else { self.user_lookup_and_delete(key, flags, &mut out) }?;
        Ok(out)
    }

    /// `BPF_MAP_GET_NEXT_KEY`: the key after `key`; the first for none, or one that is gone.
    pub fn next_key(&self, key: Option<&[u8]>) -> Result<Vec<u8>, Errno> {
        if !self.head().user_may_read() {
            return Err(Errno::Perm);
        }
        key.map_or(Ok(()), |key| self.check_key(key))?;
        let mut out = vec![0; self.head().shape().key_size as usize];
        self.user_next_key(key, &mut out)?;
        Ok(out)
    }

    /// `BPF_MAP_FREEZE`: the user side writes no more, programs still may. `EPERM` when frozen
    /// already, `EBUSY` while the user side writes.
    pub fn freeze(&self) -> Result<(), Errno> {
        if !self.head().special().is_empty() || self.head().shape().map_type == MapType::StructOps {
            return Err(Errno::NotSupp);
        }
        if !self.head().user_may_write() {
            return Err(Errno::Perm);
        }
        self.head().freeze()
    }

    /// All elements as the user side copies them, in the order of [`next_key`](trait.Map.html#method.next_key).
    pub fn elements(&self) -> Result<Vec<Element>, Errno> {
        let batch = self.walk(None, u32::MAX, 0, false);
        if let Some(errno) = batch.stopped.filter(|errno| *errno != Errno::NoEnt) {
            return Err(errno);
        }
        let keys = batch.keys.chunks(self.head().shape().key_size.max(1) as usize);
        let values = batch.values.chunks(self.user_value_size().max(1));
        Ok(keys.zip(values).map(|(key, value)| (key.to_vec(), value.to_vec())).collect())
    }

    /// `BPF_MAP_LOOKUP_BATCH`: at most `max` elements, from the start or from a token on.
    pub fn lookup_batch(&self, token: Option<&[u8]>, max: u32, elem_flags: u64) -> Batch {
        if !self.head().user_may_read() {
            return Batch::failed(Errno::Perm);
        }
        if !self.batches().lookup {
            return Batch::failed(Errno::NotSupp);
        }
        self.batch_walk(token, max, elem_flags, false)
    }

    /// `BPF_MAP_LOOKUP_AND_DELETE_BATCH`.
    pub fn lookup_and_delete_batch(&self, token: Option<&[u8]>, max: u32, elem_flags: u64) -> Batch {
        let _writing = self.head().write_active();
        if !self.head().user_may_read() || !self.head().user_may_write() {
            return Batch::failed(Errno::Perm);
        }
        if !self.batches().lookup_and_delete {
            return Batch::failed(Errno::NotSupp);
        }
        self.batch_walk(token, max, elem_flags, true)
    }

    fn batch_walk(&self, token: Option<&[u8]>, max: u32, elem_flags: u64, delete: bool) -> Batch {
        if let Err(errno) = self.check_elem_flags(elem_flags) {
            return Batch::failed(errno);
        }
        if max == 0 {
            return Batch { token: token.map(<[u8]>::to_vec), ..Batch::default() };
        }
        self.walk(token, max, elem_flags, delete)
    }

    fn check_elem_flags(&self, flags: u64) -> Result<(), Errno> {
        if flags & !update::LOCK != 0 { Err(Errno::Inval) } else { self.check_lock(flags) }
    }

    fn walk(&self, token: Option<&[u8]>, max: u32, flags: u64, delete: bool) -> Batch {
        match self.kind() {
            MapKind::Hash(map) => {
                let start = match token.map(TryInto::try_into) {
                    None => 0,
                    Some(Ok(bytes)) => u32::from_ne_bytes(bytes),
                    Some(Err(_)) => return Batch::failed(Errno::Inval),
                };
                match map.bucket_batch(start, max, flags, delete) {
                    Err(errno) => Batch::failed(errno),
                    Ok(batch) => Batch {
                        stopped: (batch.next >= map.buckets()).then_some(Errno::NoEnt),
                        token: Some(batch.next.to_ne_bytes().to_vec()),
                        keys: batch.keys,
                        values: batch.values,
                        count: batch.count,
                    },
                }
            }
            _ => self.walk_keys(token, max, flags, delete),
        }
    }

    /// A batch by way of the next key; the token is the last key.
    fn walk_keys(&self, token: Option<&[u8]>, max: u32, flags: u64, delete: bool) -> Batch {
        let mut batch = Batch { token: token.map(<[u8]>::to_vec), ..Batch::default() };
        let mut value = vec![0; self.user_value_size()];
        while batch.count < max {
            let mut key = vec![0; self.head().shape().key_size as usize];
            if let Err(errno) = self.user_next_key(batch.token.as_deref(), &mut key) {
                batch.stopped = Some(errno);
                break;
            }
            match self.user_lookup(&key, flags, &mut value) {
                Ok(()) => {
                    batch.keys.extend_from_slice(&key);
                    batch.values.extend_from_slice(&value);
                    batch.count += 1;
                    if delete {
                        // Another thread may have been faster; the copy is good all the same.
                        let _ = self.delete(&key, 0);
                    }
                }
                // The element went away, or the slot is empty.
                Err(Errno::NoEnt) => {}
                Err(errno) => {
                    batch.stopped = Some(errno);
                    break;
                }
            }
            batch.token = Some(key);
        }
        batch
    }

    /// `BPF_MAP_UPDATE_BATCH`: how many were written, and why it stopped.
    pub fn update_batch(&self, keys: &[u8], values: &[u8], elem_flags: u64) -> (u32, Result<(), Errno>) {
        let _writing = self.head().write_active();
        if !self.head().user_may_write() {
            return (0, Err(Errno::Perm));
        }
        if !self.batches().update {
            return (0, Err(Errno::NotSupp));
        }
        let (key_size, value_size) = (self.head().shape().key_size as usize, self.user_value_size());
        if let Err(errno) = self.check_elem_flags(elem_flags) {
            return (0, Err(errno));
        }
        if keys.len() / key_size != values.len() / value_size {
            return (0, Err(Errno::Inval));
        }
        let mut done = 0;
        for (key, value) in keys.chunks_exact(key_size).zip(values.chunks_exact(value_size)) {
            if let Err(errno) = self.update_value(key, value, elem_flags) {
                return (done, Err(errno));
            }
            done += 1;
        }
        (done, Ok(()))
    }

    /// `BPF_MAP_DELETE_BATCH`: how many were deleted, and why it stopped.
    pub fn delete_batch(&self, keys: &[u8], elem_flags: u64) -> (u32, Result<(), Errno>) {
        let _writing = self.head().write_active();
        if !self.head().user_may_write() {
            return (0, Err(Errno::Perm));
        }
        if !self.batches().delete {
            return (0, Err(Errno::NotSupp));
        }
        if let Err(errno) = self.check_elem_flags(elem_flags) {
            return (0, Err(errno));
        }
        let mut done = 0;
        for key in keys.chunks_exact(self.head().shape().key_size as usize) {
            if let Err(errno) = self.delete(key, 0) {
                return (done, Err(errno));
            }
            done += 1;
        }
        (done, Ok(()))
    }
}
