//! Threads on one map: what is always present is always found, counts are exact, bounds hold.

use super::*;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn a_key_that_is_present_is_found_while_others_come_and_go() {
    for map_type in [MapType::Hash, MapType::LruHash] {
        // Few buckets and spare elements, so that elements are recycled all the time.
        let map = map_of(MapShape::new(map_type, 8, 8, 8), 2);
        let stop = AtomicBool::new(false);
        let key = |n: u64| n.to_ne_bytes();
        map.update(&key(0), &key(0), 0, 0).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..20_000u64 {
                    map.update(&key(0), &key(0), 0, 1).unwrap();
                    let other = key(1 + n % 5);
                    let _ = map.update(&other, &other, 0, 1);
                    let _ = map.delete(&key(1 + (n + 2) % 5), 1);
                }
                stop.store(true, Ordering::Relaxed);
            });
            let mut looks = 0;
            while !stop.load(Ordering::Relaxed) || looks == 0 {
                assert!(map.lookup(&key(0), 0).is_some(), "{map_type}: lost after {looks} lookups");
                looks += 1;
            }
        });
    }
}

#[test]
fn inserts_from_two_threads_fill_a_hash_exactly() {
    for (map_type, flags) in
        [(MapType::Hash, 0), (MapType::Hash, flag::NO_PREALLOC), (MapType::PercpuHash, flag::NO_PREALLOC)]
    {
        let map = map_of(MapShape::new(map_type, 4, 8, 1000).with_flags(flags), 2);
        let full: u32 = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..2u32)
                .map(|cpu| {
                    let map = &map;
                    let insert = move |n: u32| map.update(&(n * 2 + cpu).to_ne_bytes(), &[1; 8], 0, cpu);
                    scope.spawn(move || (0..700).filter(|n| insert(*n).is_err()).count() as u32)
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(full, 400);
        assert_eq!(map.elements().unwrap().len(), 1000);
    }
}

#[test]
fn an_lru_under_two_threads_keeps_its_bound_and_loses_no_element() {
    for (map_type, flags) in [(MapType::LruHash, 0), (MapType::LruPercpuHash, flag::NO_COMMON_LRU)] {
        let map = map_of(MapShape::new(map_type, 4, 8, 64).with_flags(flags), 2);
        std::thread::scope(|scope| {
            for cpu in 0..2u32 {
                let map = &map;
                scope.spawn(move || {
                    let mut x = 88_172_645_463_325_252u64 + u64::from(cpu);
                    for _ in 0..20_000 {
                        x ^= x << 13;
                        x ^= x >> 7;
                        x ^= x << 17;
                        let key = (x as u32 % 100).to_ne_bytes();
                        match x >> 60 {
                            0..8 => map.update(&key, &[3; 8], 0, cpu).unwrap(),
                            8..10 => drop(map.delete(&key, cpu)),
                            _ => drop(map.lookup(&key, cpu)),
                        }
                    }
                });
            }
        });
        let MapKind::Hash(hash) = map.kind() else { unreachable!() };
        assert!(hash.len() <= 64);
        // Every element is still there to be used: distinct new keys fill the map again.
        for n in 1000..1064u32 {
            map.update(&n.to_ne_bytes(), &[4; 8], 0, n % 2).unwrap();
        }
        assert_eq!(hash.len(), 64);
    }
}

#[test]
fn more_threads_than_spare_elements_still_fill_a_hash() {
    let map = map_of(MapShape::new(MapType::Hash, 4, 8, 8), 1);
    std::thread::scope(|scope| {
        for thread in 0..6u32 {
            let map = &map;
            // Each thread rewrites one key and never fails; two more keys come and go.
            scope.spawn(move || {
                for n in 0..3_000u32 {
                    map.update(&thread.to_ne_bytes(), &u64::from(n).to_ne_bytes(), 0, 0).unwrap();
                    if thread < 2 {
                        map.update(&(100 + thread).to_ne_bytes(), &[1; 8], update::NOEXIST, 0).unwrap();
                        map.delete(&(100 + thread).to_ne_bytes(), 0).unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(map.elements().unwrap().len(), 6);
}

#[test]
fn a_prefix_that_is_present_is_found_while_others_come_and_go() {
    let map = map_of(MapShape::new(MapType::LpmTrie, 8, 8, 64).with_flags(flag::NO_PREALLOC), 2);
    let key = |bits: u32, address: [u8; 4]| [bits.to_ne_bytes(), address].concat();
    // Two that stay, one in the other, each with an address that no other prefix will ever have.
    let stay = [(key(12, [10, 16, 0, 0]), [10, 31, 255, 1]), (key(24, [10, 17, 7, 0]), [10, 17, 7, 77])];
    for (n, (prefix, _)) in stay.iter().enumerate() {
        map.update(prefix, &(n as u64 + 1).to_ne_bytes(), 0, 0).unwrap();
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Nodes above, beside and below those that stay, and of other lengths each time they serve again.
            let others = [
                key(8, [10, 0, 0, 0]),
                key(13, [10, 16, 0, 0]),
                key(16, [10, 17, 0, 0]),
                key(16, [10, 18, 0, 0]),
                key(25, [10, 17, 7, 128]),
                key(30, [10, 17, 6, 4]),
                key(32, [10, 17, 7, 78]),
                key(4, [0, 0, 0, 0]),
                key(32, [200, 1, 1, 1]),
            ];
            for n in 0..60_000usize {
                map.update(&others[n % others.len()], &[9; 8], 0, 1).unwrap();
                let _ = map.delete(&others[n * 7 % 11 % others.len()], 1);
            }
            stop.store(true, Ordering::Relaxed);
        });
        let mut looks = 0u64;
        while !stop.load(Ordering::Relaxed) || looks == 0 {
            for (n, (_, address)) in stay.iter().enumerate() {
                let found = map.lookup(&key(32, *address), 0).map(load);
                assert_eq!(found, Some(n as u64 + 1), "after {looks} lookups");
            }
            looks += 1;
        }
    });
}

#[test]
fn a_constant_array_is_written_no_more() {
    for round in 0..300u64 {
        let map = map_of(MapShape::new(MapType::Array, 4, 8, 1).with_flags(flag::RDONLY_PROG), 2);
        let key = 0u32.to_ne_bytes();
        std::thread::scope(|scope| {
            for user in [false, true] {
                let map = &map;
                scope.spawn(move || {
                    for n in 1u64.. {
                        let value = n.to_ne_bytes();
                        let result = match user {
                            true => map.update_elem(&key, &value, 0),
                            false => map.update(&key, &value, 0, 0),
                        };
                        if result == Err(Errno::Perm) {
                            break;
                        }
                    }
                });
            }
            (0..round).for_each(|_| core::hint::spin_loop());
            while map.freeze() == Err(Errno::Busy) {}
            while !map.head().is_constant() {}
            let value = map.lookup(&key, 0).map(load);
            for _ in 0..50 {
                assert_eq!(map.lookup(&key, 0).map(load), value);
            }
        });
    }
}
