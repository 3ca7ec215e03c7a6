//! Tests of all families: against a model, of addresses, of threads, of creation.

mod families;
mod model;
mod threads;

use super::*;
use oxbpf_isa::kernel::MapType;
use std::sync::Arc;

/// Settings that are the same in every run.
pub(super) fn settings(cpus: u32) -> Settings {
    Settings { cpus, memory_limit: 64 << 20, seed: 0x1234_5678_9abc_def0, page_size: 4096 }
}

pub(super) fn map_of(shape: MapShape, cpus: u32) -> Arc<dyn Map> {
    create(shape, &Creation::default(), &settings(cpus)).unwrap()
}

/// Reads a value through its address, as a program does.
pub(super) fn load(at: NonNull<u8>) -> u64 {
    // SAFETY: addresses of values are aligned and live as long as their map.
    unsafe { mem::word_at(at, 0) }.load(core::sync::atomic::Ordering::Relaxed)
}

pub(super) fn store(at: NonNull<u8>, value: u64) {
    // SAFETY: as above.
    unsafe { mem::word_at(at, 0) }.store(value, core::sync::atomic::Ordering::Relaxed);
}

const HASHES: [MapType; 4] = [MapType::Hash, MapType::PercpuHash, MapType::LruHash, MapType::LruPercpuHash];

#[test]
fn array_values_are_where_lookups_say() {
    let map = map_of(MapShape::new(MapType::Array, 4, 12, 5), 2);
    for index in 0..5u32 {
        map.update(&index.to_ne_bytes(), &[index as u8; 12], 0, 0).unwrap();
        let at = map.lookup(&index.to_ne_bytes(), 1).unwrap();
        let addr = at.as_ptr() as usize;
        assert_eq!(addr % 8, 0);
        assert_eq!(load(at), u64::from_ne_bytes([index as u8; 8]));
        assert_eq!(map.value_span(addr + 11), Some(ValueSpan { start: addr, len: 12 }));
        assert!(map.contains(addr, 12) && map.contains(addr + 8, 4));
        // Padding and the next value are out of bounds of this one.
        assert!(!map.contains(addr + 8, 5) && !map.contains(addr + 12, 1));
    }
    assert_eq!(map.lookup(&5u32.to_ne_bytes(), 0), None);
    assert_eq!(map.update(&5u32.to_ne_bytes(), &[0; 12], 0, 0), Err(Errno::TooBig));
    assert_eq!(map.update(&1u32.to_ne_bytes(), &[0; 12], update::NOEXIST, 0), Err(Errno::Exist));
    assert_eq!(map.delete(&1u32.to_ne_bytes(), 0), Err(Errno::Inval));
    assert_eq!(map.direct_value(0), Err(Errno::NotSupp));
}

#[test]
fn percpu_values_are_apart_and_concatenated_for_the_user() {
    for map_type in [MapType::PercpuArray, MapType::PercpuHash, MapType::LruPercpuHash] {
        let map = map_of(MapShape::new(map_type, 4, 12, 3), 3);
        let key = 2u32.to_ne_bytes();
        map.update(&key, &[7; 12], 0, 1).unwrap();
        let (a, b) = (map.lookup(&key, 0).unwrap(), map.lookup_percpu(&key, 1).unwrap());
        assert!((a.as_ptr() as usize).abs_diff(b.as_ptr() as usize) >= 64, "{map_type}");
        assert_eq!((load(a), load(b)), (0, u64::from_ne_bytes([7; 8])));
        assert_eq!(map.lookup(&key, 3), None);
        assert!(map.contains(b.as_ptr() as usize, 12) && !map.contains(b.as_ptr() as usize, 13));
        let all = map.lookup_elem(&key, 0).unwrap();
        assert_eq!(all.len(), 48);
        assert_eq!(&all[16..28], &[7; 12]);
        assert!(all[..16].iter().chain(&all[28..]).all(|byte| *byte == 0));
        let written: Vec<u8> = (0..48).collect();
        map.update_elem(&key, &written, 0).unwrap();
        assert_eq!(map.lookup_elem(&key, 0).unwrap(), written);
    }
}

#[test]
fn old_addresses_stay_valid_in_every_hash() {
    for map_type in HASHES {
        let map = map_of(MapShape::new(map_type, 8, 8, 4), 2);
        let key = |n: u64| n.to_ne_bytes();
        map.update(&key(1), &key(100), 0, 0).unwrap();
        let old = map.lookup(&key(1), 0).unwrap();
        map.update(&key(1), &key(101), 0, 0).unwrap();
        // A hash gives the key a new element; per-CPU forms write in place.
        let in_place = matches!(map_type, MapType::PercpuHash | MapType::LruPercpuHash);
        assert_eq!(load(old), if in_place { 101 } else { 100 }, "{map_type}");
        map.delete(&key(1), 0).unwrap();
        for n in 0..50 {
            let _ = map.update(&key(n), &key(n), 0, 0);
            store(old, n);
            assert!(map.contains(old.as_ptr() as usize, 8));
        }
    }
}

#[test]
fn a_full_hash_refuses_and_a_full_lru_evicts() {
    for flags in [0, flag::NO_PREALLOC] {
        let map = map_of(MapShape::new(MapType::Hash, 4, 4, 100).with_flags(flags), 2);
        for n in 0..100u32 {
            map.update(&n.to_ne_bytes(), &n.to_ne_bytes(), update::NOEXIST, n % 2).unwrap();
        }
        assert_eq!(map.update(&100u32.to_ne_bytes(), &[0; 4], 0, 0), Err(Errno::TooBig));
        map.update(&5u32.to_ne_bytes(), &[9; 4], update::EXIST, 0).unwrap();
        map.delete(&7u32.to_ne_bytes(), 1).unwrap();
        map.update(&100u32.to_ne_bytes(), &[0; 4], 0, 0).unwrap();
        assert_eq!(map.elements().unwrap().len(), 100);
    }
    for (map_type, flags) in
        [(MapType::LruHash, 0), (MapType::LruPercpuHash, 0), (MapType::LruHash, flag::NO_COMMON_LRU)]
    {
        let map = map_of(MapShape::new(map_type, 4, 4, 100).with_flags(flags), 2);
        for n in 0..1000u32 {
            map.update(&n.to_ne_bytes(), &n.to_ne_bytes(), 0, 0).unwrap();
            // Key 0 is used all the time and must survive.
            assert!(map.lookup(&0u32.to_ne_bytes(), 0).is_some(), "{map_type} lost the used key at {n}");
        }
        let MapKind::Hash(hash) = map.kind() else { unreachable!() };
        assert!(hash.len() <= 100 && hash.len() >= 50, "{map_type}: {}", hash.len());
    }
}

#[test]
fn iteration_allows_changes_of_the_same_map() {
    for map_type in HASHES {
        let map = map_of(MapShape::new(map_type, 4, 8, 64), 1);
        for n in 0..64u32 {
            map.update(&n.to_ne_bytes(), &u64::from(n).to_ne_bytes(), 0, 0).unwrap();
        }
        let mut sum = 0;
        let visited = map.for_each(0, &mut |key, value| {
            sum += load(value);
            map.delete(key, 0).unwrap();
            ControlFlow::Continue(())
        });
        assert_eq!((visited, sum), (Ok(64), 63 * 64 / 2));
        assert_eq!(map.next_key(None), Err(Errno::NoEnt));
    }
}

#[test]
fn freezing_stops_the_user_side_alone() {
    let map = map_of(MapShape::new(MapType::Array, 4, 4, 1), 1);
    map.freeze().unwrap();
    assert_eq!(map.freeze(), Err(Errno::Perm));
    assert_eq!(map.update_elem(&[0; 4], &[1; 4], 0), Err(Errno::Perm));
    map.update(&[0; 4], &[1; 4], 0, 0).unwrap();
    assert_eq!(map.lookup_elem(&[0; 4], 0).unwrap(), [1; 4]);
}

#[test]
fn batches_cover_a_hash_once() {
    for map_type in HASHES {
        let map = map_of(MapShape::new(map_type, 4, 8, 512), 1);
        let keys: Vec<u8> = (0..512u32).flat_map(u32::to_ne_bytes).collect();
        let values: Vec<u8> = (0..512u64).flat_map(u64::to_ne_bytes).collect();
        assert_eq!(map.update_batch(&keys, &values, 0), (512, Ok(())));
        let (mut token, mut seen) = (None, 0);
        loop {
            let batch = map.lookup_batch(token.as_deref(), 20, 0);
            assert_eq!(batch.values.len(), batch.count as usize * 8);
            seen += batch.count;
            match batch.stopped {
                None => token = batch.token,
                Some(errno) => break assert_eq!(errno, Errno::NoEnt),
            }
        }
        assert_eq!(seen, 512);
        let taken = map.lookup_and_delete_batch(None, 1000, 0);
        assert_eq!((taken.count, taken.stopped), (512, Some(Errno::NoEnt)));
        assert_eq!(map.next_key(None), Err(Errno::NoEnt));
    }
}
