//! Families against a model that could not be simpler, under random operations.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Op {
    Lookup(u8),
    Update(u8, u64, u64),
    Delete(u8),
    Take(u8),
    Program(u8, u64),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let key = 0..24u8;
    let op = prop_oneof![
        key.clone().prop_map(Op::Lookup),
        (key.clone(), any::<u64>(), 0..4u64).prop_map(|(k, v, f)| Op::Update(k, v, f)),
        key.clone().prop_map(Op::Delete),
        key.clone().prop_map(Op::Take),
        (key, any::<u64>()).prop_map(|(k, v)| Op::Program(k, v)),
    ];
    proptest::collection::vec(op, 0..200)
}

fn key_bytes(key: u8, size: u32) -> Vec<u8> {
    (0..size).map(|i| if i == 0 || i + 1 == size { key } else { 0xa5 }).collect()
}

proptest! {
    #[test]
    fn hash_is_a_bounded_map(ops in ops(), key_size in 1..20u32, prealloc: bool) {
        let flags = if prealloc { 0 } else { flag::NO_PREALLOC };
        let map = map_of(MapShape::new(MapType::Hash, key_size, 8, 16).with_flags(flags), 2);
        let mut model = BTreeMap::new();
        for op in ops {
            match op {
                Op::Lookup(k) => {
                    let want = model.get(&k).copied().ok_or(Errno::NoEnt);
                    let got = map.lookup_elem(&key_bytes(k, key_size), 0);
                    prop_assert_eq!(got.map(|v| u64::from_ne_bytes(v.try_into().unwrap())), want);
                }
                Op::Update(k, v, f) => {
                    let want = match (f, model.contains_key(&k)) {
                        (3.., _) => Err(Errno::Inval),
                        (update::NOEXIST, true) => Err(Errno::Exist),
                        (update::EXIST, false) => Err(Errno::NoEnt),
                        (_, false) if model.len() == 16 => Err(Errno::TooBig),
                        _ => Ok(()),
                    };
                    prop_assert_eq!(map.update_elem(&key_bytes(k, key_size), &v.to_ne_bytes(), f), want);
                    if want.is_ok() {
                        model.insert(k, v);
                    }
                }
                Op::Delete(k) => {
                    let want = model.remove(&k).map(drop).ok_or(Errno::NoEnt);
                    prop_assert_eq!(map.delete_elem(&key_bytes(k, key_size)), want);
                }
                Op::Take(k) => {
                    let want = model.remove(&k).ok_or(Errno::NoEnt);
                    let got = map.lookup_and_delete_elem(&key_bytes(k, key_size), 0);
                    prop_assert_eq!(got.map(|v| u64::from_ne_bytes(v.try_into().unwrap())), want);
                }
                Op::Program(k, v) => {
                    let at = map.lookup(&key_bytes(k, key_size), 0);
                    prop_assert_eq!(at.is_some(), model.contains_key(&k));
                    if let Some(at) = at {
                        store(at, v);
                        model.insert(k, v);
                    }
                }
            }
        }
        let mut all: Vec<(Vec<u8>, Vec<u8>)> = map.elements().unwrap();
        all.sort();
        let want: Vec<_> =
            model.iter().map(|(k, v)| (key_bytes(*k, key_size), v.to_ne_bytes().to_vec())).collect();
        let mut want = want;
        want.sort();
        prop_assert_eq!(&all, &want);
        // Walking by keys gives every key once.
        let (mut key, mut keys) = (None, Vec::new());
        while let Ok(next) = map.next_key(key.as_deref()) {
            keys.push(next.clone());
            key = Some(next);
        }
        keys.sort();
        prop_assert_eq!(keys, want.into_iter().map(|(k, _)| k).collect::<Vec<_>>());
    }

    #[test]
    fn lru_holds_a_bounded_part_of_the_model(ops in ops(), percpu: bool) {
        let map_type = if percpu { MapType::LruPercpuHash } else { MapType::LruHash };
        let map = map_of(MapShape::new(map_type, 4, 8, 16), 1);
        let mut model = BTreeMap::new();
        let mut present = 0;
        for op in ops {
            match op {
                Op::Update(k, v, f) => {
                    let key = key_bytes(k, 4);
                    let had = map.lookup_elem(&key, 0).is_ok();
                    let want = match (f, had) {
                        (3.., _) => Err(Errno::Inval),
                        (update::NOEXIST, true) => Err(Errno::Exist),
                        (update::EXIST, false) => Err(Errno::NoEnt),
                        _ => Ok(()),
                    };
                    prop_assert_eq!(map.update_elem(&key, &v.to_ne_bytes(), f), want);
                    if want.is_ok() {
                        model.insert(k, v);
                        present = if had { present } else { 16.min(present + 1) };
                        prop_assert!(map.lookup(&key, 0).is_some());
                    }
                }
                Op::Delete(k) | Op::Take(k) => {
                    let had = map.lookup_elem(&key_bytes(k, 4), 0).is_ok();
                    prop_assert_eq!(map.delete_elem(&key_bytes(k, 4)).is_ok(), had);
                    present -= u32::from(had);
                }
                Op::Lookup(k) | Op::Program(k, _) => {
                    if let Ok(value) = map.lookup_elem(&key_bytes(k, 4), 0) {
                        prop_assert_eq!(u64::from_ne_bytes(value.try_into().unwrap()), model[&k]);
                    }
                }
            }
            let MapKind::Hash(hash) = map.kind() else { unreachable!() };
            prop_assert_eq!(hash.len(), present);
        }
    }

    #[test]
    fn array_is_an_array(ops in ops()) {
        let map = map_of(MapShape::new(MapType::Array, 4, 8, 16), 1);
        let mut model = [0u64; 16];
        for op in ops {
            match op {
                Op::Update(k, v, f) => {
                    let want = match (f, k) {
                        (3.., _) => Err(Errno::Inval),
                        (_, 16..) => Err(Errno::TooBig),
                        (update::NOEXIST, _) => Err(Errno::Exist),
                        _ => Ok(()),
                    };
                    let got = map.update_elem(&u32::from(k).to_ne_bytes(), &v.to_ne_bytes(), f);
                    prop_assert_eq!(got, want);
                    if want.is_ok() {
                        model[usize::from(k)] = v;
                    }
                }
                Op::Delete(k) => {
                    prop_assert_eq!(map.delete_elem(&u32::from(k).to_ne_bytes()), Err(Errno::Inval));
                }
                Op::Take(k) => {
                    let got = map.lookup_and_delete_elem(&u32::from(k).to_ne_bytes(), 0);
                    prop_assert_eq!(got, Err(Errno::NotSupp));
                }
                Op::Lookup(k) | Op::Program(k, _) => {
                    let want = model.get(usize::from(k)).map(|v| v.to_ne_bytes().to_vec());
                    let got = map.lookup_elem(&u32::from(k).to_ne_bytes(), 0);
                    prop_assert_eq!(got, want.ok_or(Errno::NoEnt));
                }
            }
        }
    }
}
