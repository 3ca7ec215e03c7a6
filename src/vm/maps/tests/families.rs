//! What only one family does: prefixes, order, room, handles, events, records.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

fn ringbuf(size: u32) -> Arc<dyn Map> {
    map_of(MapShape::new(MapType::Ringbuf, 0, 0, size), 1)
}

#[test]
fn ring_records_come_in_the_order_of_reservation() {
    let map = ringbuf(4096);
    let MapKind::Ringbuf(ring) = map.kind() else { unreachable!() };
    let first = ring.reserve(16, 0).unwrap();
    let second = ring.reserve(5, 0).unwrap();
    assert_eq!((ring.record_len(first), ring.record_len(second)), (Some(16), Some(5)));
    assert_eq!(second.as_ptr() as usize - first.as_ptr() as usize, 24);
    store(first, 1);
    store(second, 2);
    // The second is ready and waits for the first; no one is notified yet.
    ring.submit(second, 0).unwrap();
    assert_eq!((ring.next_record(), ring.wakeups()), (None, 0));
    assert_eq!(ring.query(query::AVAIL_DATA), 24 + 16);
    ring.submit(first, 0).unwrap();
    assert_eq!(ring.wakeups(), 1);
    assert!(ring.wait(0, Duration::ZERO) && !ring.wait(1, Duration::ZERO));
    assert_eq!(ring.next_record().unwrap()[..8], 1u64.to_ne_bytes());
    assert_eq!(ring.next_record().unwrap(), 2u64.to_ne_bytes()[..5]);
    assert_eq!(ring.next_record(), None);
    // What is not a reserved record is refused: done ones, the middle of one, elsewhere.
    assert_eq!(ring.submit(first, 0), Err(Errno::Inval));
    let third = ring.reserve(64, 0).unwrap();
    let inside = third.map_addr(|addr| addr.checked_add(16).unwrap());
    assert_eq!(ring.discard(inside, 0), Err(Errno::Inval));
    ring.discard(third, wakeup::FORCE).unwrap();
    assert_eq!((ring.next_record(), ring.wakeups()), (None, 2));
    assert_eq!(ring.query(query::AVAIL_DATA), 0);
    assert_eq!(ring.reserve(8, 1), None);
    assert_eq!(ring.output(&[0; 8], 4), Err(Errno::Inval));
    assert_eq!((ring.query(query::RING_SIZE), ring.query(9)), (4096, 0));
}

#[test]
fn a_ring_holds_at_most_its_size_less_one() {
    let map = ringbuf(4096);
    let MapKind::Ringbuf(ring) = map.kind() else { unreachable!() };
    assert_eq!(ring.reserve(4096 - 8, 0), None);
    assert_eq!(ring.reserve(u64::MAX, 0), None);
    ring.output(&[1; 4096 - 16], 0).unwrap();
    assert_eq!(ring.output(&[], 0), Err(Errno::Again));
    assert_eq!(ring.next_record().unwrap().len(), 4096 - 16);
    ring.output(&[], 0).unwrap();
    assert!(ring.next_record().unwrap().is_empty());
}

proptest! {
    #[test]
    fn a_ring_is_a_bounded_queue(ops in proptest::collection::vec((any::<bool>(), 0..900usize), 1..300)) {
        let map = ringbuf(4096);
        let MapKind::Ringbuf(ring) = map.kind() else { unreachable!() };
        let (mut model, mut used) = (VecDeque::new(), 0);
        for (n, (write, len)) in ops.into_iter().enumerate() {
            if write {
                let record: Vec<u8> = (0..len).map(|i| (i + n) as u8).collect();
                let size = round8(len + 8);
                let fits = used + size <= 4095;
                prop_assert_eq!(ring.output(&record, 0).is_ok(), fits);
                if fits {
                    used += size;
                    model.push_back(record);
                }
            } else {
                let record = ring.next_record();
                used -= record.as_ref().map_or(0, |record| round8(record.len() + 8));
                prop_assert_eq!(record, model.pop_front());
            }
            prop_assert_eq!(ring.query(query::AVAIL_DATA), used as u64);
        }
    }

    #[test]
    fn a_trie_gives_the_longest_prefix(
        ops in proptest::collection::vec((0..4u8, 0..18u32, any::<[u8; 2]>()), 1..200),
        narrow: bool,
        // What all keys begin with: data of one word, of two, of more, and across words.
        lead in proptest::sample::select(vec![0, 2, 5, 6, 7, 13, 14, 15, 18, 62]),
    ) {
        let shape = MapShape::new(MapType::LpmTrie, 6 + lead, 4, 20).with_flags(flag::NO_PREALLOC);
        let map = map_of(shape, 1);
        let mut model: BTreeMap<(u32, u16), u32> = BTreeMap::new();
        let cut = |bits: u32, data: u16| if bits == 0 { 0 } else { data & (!0 << (16 - bits)) };
        for (n, (what, bits, data)) in ops.into_iter().enumerate() {
            // A narrow choice of data makes prefixes of each other.
            let data = if narrow { data.map(|byte| byte & 0xc0) } else { data };
            let behind = if bits == 0 { 0 } else { 8 * lead + bits };
            let mut key = behind.to_ne_bytes().to_vec();
            key.extend((0..lead).map(|n| 0xa5 ^ n as u8));
            key.extend(data);
            let data = u16::from_be_bytes(data);
            let (ok, place) = (bits <= 16, (bits, cut(bits.min(16), data)));
            match what {
                0 | 1 => {
                    let value = n as u32;
                    let want = match ok {
                        false => Err(Errno::Inval),
                        true if model.len() == 20 && !model.contains_key(&place) => Err(Errno::NoSpc),
                        true => Ok(()),
                    };
                    prop_assert_eq!(map.update_elem(&key, &value.to_ne_bytes(), 0), want);
                    if want.is_ok() {
                        model.insert(place, value);
                    }
                }
                2 => {
                    let had = model.remove(&place);
                    let want = if ok { had.map(drop).ok_or(Errno::NoEnt) } else { Err(Errno::Inval) };
                    prop_assert_eq!(map.delete_elem(&key), want);
                }
                _ => {
                    let fitting = (0..=bits).rev().filter_map(|b| model.get(&(b, cut(b, data))));
                    let want = if ok { fitting.map(|v| v.to_ne_bytes().to_vec()).next() } else { None };
                    prop_assert_eq!(map.lookup_elem(&key, 0), want.ok_or(Errno::NoEnt));
                }
            }
        }
        let mut keys = Vec::new();
        while let Ok(key) = map.next_key(keys.last().map(Vec::as_slice)) {
            keys.push(key);
        }
        let split = |key: &Vec<u8>| {
            let bits = u32::from_ne_bytes(key[..4].try_into().unwrap()).saturating_sub(8 * lead);
            (bits, cut(bits, u16::from_be_bytes(*key.last_chunk().unwrap())))
        };
        // More specific prefixes come before those they are part of.
        for (n, key) in keys.iter().enumerate() {
            let (bits, data) = split(key);
            prop_assert!(!keys[..n].iter().map(split).any(|(b, d)| b < bits && cut(b, data) == d));
        }
        let mut places: Vec<_> = keys.iter().map(split).collect();
        places.sort();
        prop_assert_eq!(places, model.into_keys().collect::<Vec<_>>());
    }

    #[test]
    fn queues_and_stacks_are_deques(
        ops in proptest::collection::vec((0..4u8, 0..4u64), 0..200),
        stack: bool,
    ) {
        let map_type = if stack { MapType::Stack } else { MapType::Queue };
        let map = map_of(MapShape::new(map_type, 0, 4, 7), 1);
        let mut model = VecDeque::new();
        for (n, (what, flags)) in ops.into_iter().enumerate() {
            let mut value = (n as u32 + 1).to_ne_bytes();
            if what < 2 {
                let full = model.len() == 7;
                let want = match flags {
                    1 | 3 => Err(Errno::Inval),
                    0 if full => Err(Errno::TooBig),
                    _ => Ok(()),
                };
                prop_assert_eq!(map.push(&value, flags), want);
                if want.is_ok() {
                    if full {
                        model.pop_front();
                    }
                    model.push_back(value);
                }
            } else {
                let next = if stack { model.back() } else { model.front() }.copied();
                let got = if what == 2 { map.pop(&mut value) } else { map.peek(&mut value) };
                prop_assert_eq!(got, next.map(drop).ok_or(Errno::NoEnt));
                prop_assert_eq!(value, next.unwrap_or_default());
                if what == 2 {
                    if stack { model.pop_back() } else { model.pop_front() };
                }
            }
        }
    }

    #[test]
    fn a_bloom_filter_never_forgets(values in proptest::collection::vec(any::<u64>(), 0..100), extra in 0..16u64) {
        let map = map_of(MapShape::new(MapType::BloomFilter, 0, 8, 100).with_extra(extra), 1);
        for value in &values {
            map.push(&value.to_ne_bytes(), 0).unwrap();
        }
        for value in &values {
            prop_assert_eq!(map.peek(&mut value.to_ne_bytes()), Ok(()));
        }
        let wrong = (0..1000u64).filter(|n| !values.contains(n) && map.peek(&mut n.to_ne_bytes()).is_ok());
        // One function errs most: about a third of the bits are set when full.
        let most = if extra == 1 { 600 } else { 300 };
        prop_assert!(wrong.count() < most);
    }
}

#[test]
fn ring_producers_and_a_consumer_lose_nothing() {
    let map = ringbuf(4096);
    let MapKind::Ringbuf(ring) = map.kind() else { unreachable!() };
    std::thread::scope(|scope| {
        for thread in 0..2u64 {
            scope.spawn(move || {
                for n in 0..5_000u64 {
                    let record = [thread, n, n * 3].map(u64::to_ne_bytes).concat();
                    while ring.output(&record[..16 + (n % 9) as usize], 0).is_err() {
                        std::thread::yield_now();
                    }
                }
            });
        }
        let mut next = [0u64; 2];
        while next != [5_000; 2] {
            ring.consume(|record| {
                let word = |i: usize| u64::from_ne_bytes(record[i * 8..][..8].try_into().unwrap());
                let (thread, n) = (word(0) as usize, word(1));
                assert_eq!((n, record.len()), (next[thread], 16 + (n % 9) as usize));
                next[thread] += 1;
                ControlFlow::Continue(())
            });
        }
    });
}

#[test]
fn user_rings_are_drained_once_at_a_time() {
    let map = map_of(MapShape::new(MapType::UserRingbuf, 0, 0, 4096), 1);
    let MapKind::UserRingbuf(ring) = map.kind() else { unreachable!() };
    for n in 0..10u64 {
        ring.produce(&n.to_ne_bytes()).unwrap();
    }
    let mut seen = Vec::new();
    let drained = ring.drain(0, &mut |at, len| {
        assert_eq!(len, 8);
        assert_eq!(ring.drain(0, &mut |_, _| 0), Err(Errno::Busy));
        seen.push(load(at));
        i64::from(seen.len() == 4)
    });
    assert_eq!((drained, seen), (Ok(4), vec![0, 1, 2, 3]));
    assert_eq!((ring.drain(wakeup::NO, &mut |_, _| 0), ring.wakeups()), (Ok(6), 1));
    assert_eq!(ring.produce(&[0; 4096]), Err(Errno::TooBig));
    ring.produce(&[0; 4080]).unwrap();
    assert_eq!(ring.produce(&[]), Err(Errno::NoSpc));
}

#[test]
fn prog_arrays_hold_one_kind_of_program() {
    use oxbpf_isa::kernel::ProgType;
    let map = map_of(MapShape::new(MapType::ProgArray, 4, 4, 3), 1);
    let MapKind::ProgArray(array) = map.kind() else { unreachable!() };
    let target = |id, prog_type| Target {
        id,
        compat: Compat { prog_type: Some(prog_type), xdp_frags: false },
        program: Arc::new("a program"),
    };
    array.set(1, target(40, ProgType::Xdp)).unwrap();
    assert_eq!(array.set(2, target(41, ProgType::Kprobe)).unwrap_err(), Errno::Inval);
    assert_eq!(array.set(3, target(41, ProgType::Xdp)).unwrap_err(), Errno::TooBig);
    let found = array.target(1).unwrap();
    assert_eq!((found.id, *found.program.downcast::<&str>().unwrap()), (40, "a program"));
    assert!(array.target(0).is_none() && array.target(u32::MAX).is_none());
    assert_eq!(map.lookup_elem(&1u32.to_ne_bytes(), 0).unwrap(), 40u32.to_ne_bytes());
    assert_eq!(map.update_elem(&[0; 4], &[0; 4], 0), Err(Errno::BadF));
    assert_eq!(map.delete_elem(&1u32.to_ne_bytes()), Ok(()));
    assert_eq!(map.delete_elem(&1u32.to_ne_bytes()), Err(Errno::NoEnt));
    assert_eq!(map.delete_elem(&3u32.to_ne_bytes()), Err(Errno::TooBig));
}

#[test]
fn inner_maps_have_the_shape_of_the_template() {
    let template = MapShape::new(MapType::Array, 4, 8, 2);
    for map_type in [MapType::ArrayOfMaps, MapType::HashOfMaps] {
        let creation = Creation { inner: Some(template), ..Creation::default() };
        let outer = create(MapShape::new(map_type, 4, 4, 2), &creation, &settings(1)).unwrap();
        let MapKind::MapOfMaps(maps) = outer.kind() else { unreachable!() };
        let inner = map_of(template, 1);
        maps.set(&[0; 4], inner.clone(), 0).unwrap();
        assert!(Arc::ptr_eq(&maps.get(&[0; 4]).unwrap(), &inner));
        let other = map_of(MapShape { value_size: 4, ..template }, 1);
        assert_eq!(maps.set(&[0; 4], other, 0), Err(Errno::Inval));
        outer.delete_elem(&[0; 4]).unwrap();
        assert!(maps.get(&[0; 4]).is_none());
        assert_eq!(outer.delete_elem(&[0; 4]), Err(Errno::NoEnt));
    }
    let create = |inner| {
        let creation = Creation { inner, ..Creation::default() };
        create(MapShape::new(MapType::ArrayOfMaps, 4, 4, 2), &creation, &settings(1)).unwrap_err().errno()
    };
    assert_eq!(create(None), Errno::BadF);
    assert_eq!(create(Some(MapShape::new(MapType::HashOfMaps, 4, 4, 1))), Errno::Inval);
    assert_eq!(create(Some(MapShape::new(MapType::ProgArray, 4, 4, 1))), Errno::NotSupp);
}

#[test]
fn events_go_to_the_buffer_of_their_cpu_or_are_counted_as_lost() {
    let map = map_of(MapShape::new(MapType::PerfEventArray, 4, 4, 4), 2);
    let MapKind::PerfEventArray(events) = map.kind() else { unreachable!() };
    assert_eq!(events.output(CURRENT_CPU, 0, &[b"x"]), Err(Errno::NoEnt));
    let buffers = events.open_all(64);
    assert_eq!(buffers.len(), 2);
    events.output(CURRENT_CPU, 1, &[b"ab", b"cd"]).unwrap();
    assert_eq!(events.output(0, 1, &[b"x"]), Err(Errno::OpNotSupp));
    assert_eq!(events.output(9, 1, &[b"x"]), Err(Errno::TooBig));
    assert_eq!(events.output(1 << 32, 1, &[b"x"]), Err(Errno::Inval));
    assert_eq!(events.output(1, 1, &[&[0; 64]]), Err(Errno::NoSpc));
    assert_eq!((buffers[1].lost(), buffers[0].lost()), (1, 0));
    assert_eq!((buffers[1].pop().unwrap(), buffers[1].pop()), (b"abcd".to_vec(), None));
    let counter = PerfCounter { value: 7, enabled: 2, running: 1 };
    buffers[0].set_counter(counter);
    assert_eq!(events.read(0, 1), Ok(counter));
    assert_eq!(map.lookup_elem(&[0; 4], 0), Err(Errno::NotSupp));
    map.delete_elem(&[0; 4]).unwrap();
    assert_eq!(events.read(0, 1), Err(Errno::NoEnt));
}

#[test]
fn traces_are_known_by_their_id() {
    let map = map_of(MapShape::new(MapType::StackTrace, 4, 24, 2), 1);
    let MapKind::StackTrace(traces) = map.kind() else { unreachable!() };
    let id = traces.intern(&[1, 2, 3, 4], 1).unwrap();
    assert_eq!(traces.trace(id).unwrap(), [2, 3, 4]);
    assert_eq!(traces.intern(&[9, 2, 3, 4, 5], 1), Ok(id), "cut to the depth of the map");
    assert_eq!(traces.intern(&[1], 1), Err(Errno::Fault));
    assert_eq!(traces.intern(&[1], 1 << 11), Err(Errno::Inval));
    let bytes = [2u64, 3, 4].map(u64::to_ne_bytes).concat();
    assert_eq!(map.lookup_elem(&id.to_ne_bytes(), 0).unwrap(), bytes);
    // Another trace with the same id is refused, or takes the place.
    let other = (10..).map(|n| [n]).find(|ips| traces.intern(ips, 0) == Err(Errno::Exist)).unwrap();
    let taken = traces.intern(&other, stackid::REUSE_STACKID).unwrap();
    assert_eq!(traces.trace(taken).unwrap(), other);
    assert_eq!(map.next_key(None).unwrap().len(), 4);
    assert_eq!(map.delete_elem(&taken.to_ne_bytes()), Ok(()));
    assert_eq!(map.lookup_elem(&taken.to_ne_bytes(), 0), Err(Errno::NoEnt));
}

#[test]
fn sizes_beyond_the_limit_are_refused_without_allocating() {
    let huge = u32::MAX;
    for shape in [
        MapShape::new(MapType::Array, 4, 1 << 20, huge),
        MapShape::new(MapType::PercpuArray, 4, 8, huge),
        MapShape::new(MapType::Hash, 4, 8, 1 << 31),
        MapShape::new(MapType::Hash, 4, 8, 1 << 31).with_flags(flag::NO_PREALLOC),
        MapShape::new(MapType::LruHash, 4, 1 << 20, 1 << 20),
        MapShape::new(MapType::BloomFilter, 0, 8, huge),
        MapShape::new(MapType::ProgArray, 4, 4, huge),
        MapShape::new(MapType::PerfEventArray, 4, 4, huge),
        MapShape::new(MapType::StackTrace, 4, 8, 1 << 31),
        MapShape::new(MapType::Ringbuf, 0, 0, 1 << 31),
        MapShape::new(MapType::Queue, 0, 2, (1 << 31) - 2),
    ] {
        let error = create(shape, &Creation::default(), &settings(2)).unwrap_err();
        assert_eq!(error.errno(), Errno::NoMem, "{shape:?}: {error}");
    }
    // Growth stops at the limit as well.
    for map_type in [MapType::Hash, MapType::LpmTrie] {
        let shape = MapShape::new(map_type, 8, 1 << 20, 1000).with_flags(flag::NO_PREALLOC);
        let map = map_of(shape, 1);
        let key = |n: u32| [32u32.to_ne_bytes(), n.to_be_bytes()].concat();
        let value = vec![0; 1 << 20];
        let full = (0..1000).position(|n| map.update_elem(&key(n), &value, 0) == Err(Errno::NoMem));
        assert!(full.is_some_and(|n| n >= 30), "{map_type}: {full:?}");
        assert!(map.memory() <= settings(1).memory_limit);
        map.delete_elem(&key(3)).unwrap();
        map.update_elem(&key(999), &value, 0).unwrap();
    }
}

#[test]
fn special_members_are_kept_from_copies() {
    let special = vec![
        SpecialField { offset: 4, size: 4, kind: SpecialKind::SpinLock },
        SpecialField { offset: 8, size: 8, kind: SpecialKind::Object },
    ];
    for map_type in [MapType::Array, MapType::Hash, MapType::LruHash] {
        let shape = MapShape::new(map_type, 4, 24, 2);
        let creation = Creation { special: special.clone(), ..Creation::default() };
        let map = create(shape, &creation, &settings(1)).unwrap();
        let locks = map_type != MapType::LruHash;
        map.update_elem(&[0; 4], &[1; 24], 0).unwrap();
        let at = map.lookup(&[0; 4], 0).unwrap();
        let object = at.map_addr(|addr| addr.checked_add(8).unwrap());
        store(object, 77);
        let flags = if locks { update::LOCK } else { 0 };
        map.update_elem(&[0; 4], &[2; 24], flags).unwrap();
        let mut shown = [2; 24];
        shown[4..16].fill(0);
        assert_eq!(map.lookup_elem(&[0; 4], update::LOCK).unwrap(), shown, "{map_type}");
        assert_eq!(load(object), 77, "{map_type}");
        // A lock that is never given back is an error, and no hang.
        store(map.lookup(&[0; 4], 0).unwrap(), 5 << 32);
        assert_eq!(map.lookup_elem(&[0; 4], update::LOCK), Err(Errno::Deadlk), "{map_type}");
        assert_eq!(map.freeze(), Err(Errno::NotSupp));
    }
    let bad = |offset, size, kind| {
        let creation = Creation { special: vec![SpecialField { offset, size, kind }], ..Creation::default() };
        create(MapShape::new(MapType::Array, 4, 24, 1), &creation, &settings(1)).unwrap_err().errno()
    };
    assert_eq!(bad(22, 4, SpecialKind::SpinLock), Errno::Inval);
    assert_eq!(bad(1, 4, SpecialKind::SpinLock), Errno::Inval);
    assert_eq!(bad(u32::MAX, 8, SpecialKind::Object), Errno::Inval);
}

#[test]
fn what_is_not_supported_says_so() {
    for map_type in MapType::ALL {
        let shape = MapShape::new(*map_type, 4, 4, 1);
        match create(shape, &Creation::default(), &settings(1)) {
            Ok(map) => assert_eq!(map.head().shape().map_type, *map_type),
            Err(CreateError::Unsupported { map_type: named }) => assert_eq!(named, *map_type),
            Err(CreateError::Rejected { map_type: named, .. }) => assert_eq!(named, *map_type),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn error_numbers_are_the_platforms() {
    for errno in Errno::ALL {
        assert_eq!(Errno::from_number(errno.number()), Some(*errno));
        assert_eq!(errno.ret(), -i64::from(errno.number()));
        assert!(errno.name().starts_with('E'));
    }
    assert_eq!((Errno::TooBig.number(), Errno::NoEnt.name()), (7, "ENOENT"));
}

/// A host with one program, and objects a hundred above their handles.
#[derive(Debug)]
struct Host;

impl Handles for Host {
    fn program(&self, handle: u32) -> Option<Target> {
        let target = Target { id: 70, compat: Compat::default(), program: Arc::new(()) };
        (handle == 7).then_some(target)
    }

    fn object(&self, handle: u32) -> Option<u64> {
        (handle < 50).then_some(u64::from(handle) + 100)
    }
}

fn hosted(shape: MapShape) -> Arc<dyn Map> {
    let creation = Creation { handles: Some(Arc::new(Host)), ..Creation::default() };
    create(shape, &creation, &settings(2)).unwrap()
}

#[test]
fn storage_belongs_to_its_object() {
    for map_type in [MapType::SkStorage, MapType::TaskStorage, MapType::InodeStorage, MapType::CgrpStorage] {
        let map = hosted(MapShape::new(map_type, 4, 12, 0).with_flags(flag::NO_PREALLOC));
        let MapKind::Storage(storage) = map.kind() else { unreachable!() };
        assert_eq!(storage.get(103, None, 0, 0), None);
        assert_eq!(storage.get(103, None, 2, 0), None);
        let at = storage.get(103, Some(&[9; 12]), STORAGE_GET_CREATE, 0).unwrap();
        assert_eq!(storage.get(103, None, STORAGE_GET_CREATE, 0), Some(at));
        assert!(map.contains(at.as_ptr() as usize, 12) && !map.contains(at.as_ptr() as usize, 13));
        let key = 3u32.to_ne_bytes();
        assert_eq!(map.lookup_elem(&key, 0).unwrap(), [9; 12]);
        assert_eq!(map.update_elem(&key, &[1; 12], update::NOEXIST), Err(Errno::Exist));
        map.update_elem(&key, &[1; 12], update::EXIST).unwrap();
        assert_ne!(storage.get(103, None, 0, 0), Some(at));
        assert_eq!(map.update_elem(&4u32.to_ne_bytes(), &[1; 12], update::EXIST), Err(Errno::NoEnt));
        assert_eq!(map.lookup_elem(&60u32.to_ne_bytes(), 0), Err(Errno::BadF));
        assert_eq!((storage.remove(103, 0), storage.remove(103, 0)), (Ok(()), Err(Errno::NoEnt)));
        assert_eq!(load(storage.get(104, None, STORAGE_GET_CREATE, 0).unwrap()), 0);
    }
}

#[test]
fn redirections_name_devices_and_cpus() {
    let value = |first: u32, program: u32| [first.to_ne_bytes(), program.to_ne_bytes()].concat();
    for map_type in [MapType::Devmap, MapType::DevmapHash, MapType::Cpumap] {
        let map = hosted(MapShape::new(map_type, 4, 8, 4));
        let MapKind::Redirect(targets) = map.kind() else { unreachable!() };
        let key = 1u32.to_ne_bytes();
        map.update_elem(&key, &value(5, 7), 0).unwrap();
        let target = RedirectTarget { value: 5, program: 70 };
        assert_eq!((targets.target(1), targets.target(0)), (Some(target), None));
        assert_eq!(targets.targets(), [(1, target)]);
        assert_eq!(map.lookup_elem(&key, 0).unwrap(), value(5, 70));
        let bad = map.update_elem(&key, &value(5, 8), 0);
        assert_eq!(bad, Err(if map_type == MapType::Cpumap { Errno::NoMem } else { Errno::Inval }));
        assert_eq!(map.head().program_may_write(), map_type == MapType::Cpumap);
        map.delete_elem(&key).unwrap();
        assert_eq!(targets.target(1), None);
    }
}

#[test]
fn tables_of_objects_hold_what_the_host_names() {
    let types = [
        MapType::Sockmap,
        MapType::Sockhash,
        MapType::ReuseportSockarray,
        MapType::Xskmap,
        MapType::CgroupArray,
    ];
    for map_type in types {
        let size = if matches!(map_type, MapType::Xskmap | MapType::CgroupArray) { 4 } else { 8 };
        let map = hosted(MapShape::new(map_type, 4, size, 2));
        let MapKind::Objects(objects) = map.kind() else { unreachable!() };
        let (key, far) = (1u32.to_ne_bytes(), 9u32.to_ne_bytes());
        let handle = |n: u64| n.to_ne_bytes()[..size as usize].to_vec();
        map.update_elem(&key, &handle(5), 0).unwrap();
        assert_eq!(objects.get(&key), Some(105));
        assert_eq!(map.update_elem(&key, &handle(60), 0), Err(Errno::BadF));
        assert_eq!(objects.set(&key, 1, 3), Err(Errno::Inval));
        let hash = map_type == MapType::Sockhash;
        assert_eq!(objects.set(&far, 1, 0), if hash { Ok(()) } else { Err(Errno::TooBig) });
        match size {
            8 => assert_eq!(map.lookup_elem(&key, 0).unwrap(), 105u64.to_ne_bytes()),
            _ => assert!(map.lookup_elem(&key, 0).is_err()),
        }
        map.delete_elem(&key).unwrap();
        assert_eq!(objects.get(&key), None);
        assert_eq!(map.delete_elem(&key).is_ok(), map_type == MapType::Xskmap);
    }
}

#[test]
fn every_value_is_bounded_by_itself() {
    let mut shapes = Vec::new();
    for size in [1, 4, 7, 8, 33] {
        for flags in [0, flag::NO_PREALLOC] {
            shapes.push(MapShape::new(MapType::Hash, 5, size, 300).with_flags(flags));
            shapes.push(MapShape::new(MapType::PercpuHash, 5, size, 300).with_flags(flags));
        }
        shapes.push(MapShape::new(MapType::LruHash, 5, size, 300));
        shapes.push(MapShape::new(MapType::LruPercpuHash, 5, size, 300));
        shapes.push(MapShape::new(MapType::LpmTrie, 5, size, 300).with_flags(flag::NO_PREALLOC));
        shapes.push(MapShape::new(MapType::PercpuArray, 4, size, 200));
    }
    for shape in shapes {
        let map = map_of(shape, 3);
        let len = shape.value_size as usize;
        let mut starts = Vec::new();
        for n in 0..200u32 {
            let bits = 8u32.to_ne_bytes();
            let key = match shape.map_type {
                MapType::PercpuArray => n.to_ne_bytes().to_vec(),
                MapType::LpmTrie => [&bits[..], &[n as u8]].concat(),
                _ => [&n.to_ne_bytes()[..], &[1]].concat(),
            };
            map.update(&key, &vec![1; len], 0, 0).unwrap();
            for cpu in 0..if shape.is_percpu() { 3 } else { 1 } {
                let start = map.lookup(&key, cpu).unwrap().as_ptr() as usize;
                for at in [0, len / 2, len - 1] {
                    assert_eq!(map.value_span(start + at), Some(ValueSpan { start, len }), "{shape:?}");
                }
                assert!(!map.contains(start, len + 1) && !map.contains(start.wrapping_sub(1), len));
                starts.push(start);
            }
        }
        starts.sort();
        assert!(starts.windows(2).all(|pair| pair[1] - pair[0] >= len), "{shape:?}: values overlap");
        // Just behind a value lies padding, a header or nothing, or another value, perhaps free.
        let mut beyond = starts.iter().filter_map(|start| Some((start + len, map.value_span(start + len)?)));
        assert!(beyond.all(|(end, span)| len.is_multiple_of(8) && span.start == end), "{shape:?}");
        assert_eq!(map.value_span(0), None);
        assert_eq!(map.value_span(usize::MAX), None);
    }
}
