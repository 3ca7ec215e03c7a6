//! Maps against the running kernel: the same random commands of bpf(2) on both, every result and
//! error number compared. Skipped, with the reason, where bpf(2) is not allowed.
//!
//! `OXBPF_MAP_OPS` sets the number of commands per map (default 2,000), `OXBPF_MAP_SEED` the seed.
#![cfg(target_os = "linux")]

use oxbpf::isa::kernel::MapType;
use oxbpf::vm::maps::{self, Creation, Errno, Handles, Map, MapShape, Settings, flag};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// The result of a command: bytes, or the positive error number.
type Answer = Result<Vec<u8>, i32>;

/// A map of the kernel.
struct KernelMap {
    fd: i32,
    shape: MapShape,
    cpus: u32,
}

const CREATE: i32 = 0;
const LOOKUP: i32 = 1;
const UPDATE: i32 = 2;
const DELETE: i32 = 3;
const NEXT_KEY: i32 = 4;
const TAKE: i32 = 21;
const FREEZE: i32 = 22;
const LOOKUP_BATCH: i32 = 24;

fn bpf(command: i32, attr: &mut [u64]) -> Result<i32, i32> {
    let size = size_of_val(attr);
    // SAFETY: the attributes are `size` bytes long, and their pointers lead to buffers that are
    // as long as the map says and live until the call returns.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attr.as_mut_ptr(), size) };
    if result >= 0 { Ok(result as i32) } else { Err(std::io::Error::last_os_error().raw_os_error().unwrap()) }
}

fn pair(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

impl KernelMap {
    fn create(shape: MapShape, inner: Option<i32>, cpus: u32) -> Result<KernelMap, i32> {
        let mut attr = [0u64; 10];
        attr[0] = pair(shape.map_type.number(), shape.key_size);
        attr[1] = pair(shape.value_size, shape.max_entries);
        attr[2] = pair(shape.flags, inner.unwrap_or(-1) as u32);
        attr[8] = shape.map_extra;
        Ok(KernelMap { fd: bpf(CREATE, &mut attr)?, shape, cpus })
    }

    fn elem(&self, command: i32, key: Option<&[u8]>, value: &mut [u8], flags: u64) -> Result<(), i32> {
        let key = key.filter(|key| !key.is_empty()).map_or(0, |key| key.as_ptr() as u64);
        let mut attr = [self.fd as u64, key, value.as_mut_ptr() as u64, flags];
        // Deleting has no value, and the kernel wants what it does not know to be zero.
        if command == DELETE {
            attr[2] = 0;
        }
        bpf(command, &mut attr).map(drop)
    }

    fn out(&self, command: i32, key: Option<&[u8]>, mut value: Vec<u8>, flags: u64) -> Answer {
        self.elem(command, key, &mut value, flags)?;
        Ok(value)
    }

    fn value(&self) -> Vec<u8> {
        vec![0; self.shape.user_value_size(self.cpus)]
    }

    fn freeze(&self) -> Result<(), i32> {
        bpf(FREEZE, &mut [self.fd as u64]).map(drop)
    }

    /// The keys and values of one batch from the start, and how it ended.
    fn lookup_batch(&self, max: u32) -> (Vec<u8>, Vec<u8>, u32, Result<(), i32>) {
        let mut keys = vec![0; self.shape.key_size as usize * max as usize];
        let mut values = vec![0; self.value().len() * max as usize];
        let mut token = vec![0u8; self.shape.key_size.max(4) as usize];
        let (k, v) = (keys.as_mut_ptr() as u64, values.as_mut_ptr() as u64);
        let mut attr = [0, token.as_mut_ptr() as u64, k, v, pair(max, self.fd as u32), 0, 0];
        let result = bpf(LOOKUP_BATCH, &mut attr).map(drop);
        // Commands that end before they begin leave the count as it was.
        let begun = !matches!(result, Err(libc::EPERM | 524));
        let count = if begun { attr[4] as u32 } else { 0 };
        keys.truncate(self.shape.key_size as usize * count as usize);
        values.truncate(self.value().len() * count as usize);
        (keys, values, count, result)
    }
}

impl Drop for KernelMap {
    fn drop(&mut self) {
        // SAFETY: the descriptor is this map's own and is closed once.
        unsafe { libc::close(self.fd) };
    }
}

/// Descriptors of the kernel's inner maps, standing for ours.
#[derive(Debug, Default)]
struct Table(Mutex<BTreeMap<u32, Arc<dyn Map>>>);

impl Handles for Table {
    fn map(&self, handle: u32) -> Option<Arc<dyn Map>> {
        self.0.lock().unwrap().get(&handle).cloned()
    }
}

fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d)
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn possible_cpus() -> u32 {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/possible").unwrap();
    text.trim().rsplit(['-', ',']).next().unwrap().parse::<u32>().unwrap() + 1
}

fn settings(cpus: u32) -> Settings {
    Settings { cpus, ..Settings::default() }
}

/// Whether this process may create maps; says why not.
fn allowed() -> bool {
    match KernelMap::create(MapShape::new(MapType::Array, 4, 4, 1), None, 1) {
        Ok(_) => true,
        Err(errno) => {
            println!("skipped: bpf(2) refuses to create a map, errno {errno}");
            false
        }
    }
}

fn number_of(result: Result<Vec<u8>, Errno>) -> Answer {
    result.map_err(Errno::number)
}

/// Random keys that collide often; prefixes for tries, indexes around the end for arrays.
fn random_key(shape: &MapShape, state: &mut u64) -> Vec<u8> {
    let choice = random(state) >> 32;
    match shape.map_type {
        MapType::LpmTrie => {
            let data = shape.key_size as usize - 4;
            let bits = (choice as u32 % (data as u32 * 8 + 2)).to_ne_bytes();
            let mut key = bits.to_vec();
            key.extend((0..data).map(|_| [0x00, 0x80, 0xc0, 0xff][random(state) as usize >> 7 & 3]));
            key
        }
        MapType::Array
        | MapType::PercpuArray
        | MapType::ArrayOfMaps
        | MapType::Devmap
        | MapType::DevmapHash
        | MapType::Cpumap => (choice as u32 % (shape.max_entries + 2)).to_ne_bytes().to_vec(),
        _ => {
            let byte = choice as u8 % (shape.max_entries as u8).saturating_mul(2);
            (0..shape.key_size).map(|i| if i == shape.key_size / 2 { byte } else { 7 }).collect()
        }
    }
}

fn random_value(len: usize, state: &mut u64) -> Vec<u8> {
    (0..len).map(|_| (random(state) >> 40) as u8).collect()
}

/// A random value; for redirections one of the targets every machine has: the loopback device, and
/// queues of its CPUs.
fn value_for(shape: &MapShape, len: usize, state: &mut u64) -> Vec<u8> {
    let choice = random(state) as usize >> 40 & 3;
    let first: u32 = match shape.map_type {
        MapType::Devmap | MapType::DevmapHash => [0, 1, 1, 1][choice],
        MapType::Cpumap => [0, 8, 16384, 16385][choice],
        _ => return random_value(len, state),
    };
    // No program, or none that any descriptor stands for.
    let program = [0u32, 0, u32::MAX, 60_000][random(state) as usize >> 40 & 3];
    [first.to_ne_bytes(), program.to_ne_bytes()].concat()[..len].to_vec()
}

/// Runs `count` random commands on both; gives the number compared.
fn compare(shape: MapShape, count: u64, cpus: u32, ordered: bool) -> u64 {
    let seed = number("OXBPF_MAP_SEED", 1);
    let mut state =
        seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(shape.map_type.number()) ^ 88_172_645;
    let kernel = KernelMap::create(shape, None, cpus).unwrap_or_else(|e| panic!("{shape:?}: {e}"));
    let ours = maps::create(shape, &Creation::default(), &settings(cpus)).unwrap();
    for step in 0..count {
        let key = random_key(&shape, &mut state);
        let flags = [0, 0, 0, 1, 2, 3, 4, 8][random(&mut state) as usize >> 20 & 7];
        let what = random(&mut state) >> 33 & 15;
        let (name, theirs, mine): (_, Answer, Answer) = match what {
            0..=5 => {
                let mut value = value_for(&shape, ours.user_value_size(), &mut state);
                let mine = ours.update_elem(&key, &value, flags).map(|()| Vec::new());
                let theirs = kernel.elem(UPDATE, Some(&key), &mut value, flags).map(|()| Vec::new());
                ("update", theirs, number_of(mine))
            }
            6..=9 => {
                let flags = if flags == 4 { 4 } else { 0 };
                let mine = ours.lookup_elem(&key, flags);
                ("lookup", kernel.out(LOOKUP, Some(&key), kernel.value(), flags), number_of(mine))
            }
            10..=12 => {
                let mine = ours.delete_elem(&key).map(|()| Vec::new());
                ("delete", kernel.out(DELETE, Some(&key), Vec::new(), 0), number_of(mine))
            }
            13 => {
                let flags = if flags > 3 { flags } else { 0 };
                let mine = ours.lookup_and_delete_elem(&key, flags);
                ("take", kernel.out(TAKE, Some(&key), kernel.value(), flags), number_of(mine))
            }
            _ => {
                let from = (what == 14).then_some(&key[..]);
                let mine = number_of(ours.next_key(from));
                let theirs = kernel.out(NEXT_KEY, from, vec![0; shape.key_size as usize], 0);
                // A hash has no order of its own: only the end is compared.
                let known = from.is_none() || ours.lookup_elem(&key, 0).is_err();
                match ordered {
                    true => ("next key", theirs, mine),
                    false if known => ("first key", theirs.map(|_| vec![]), mine.map(|_| vec![])),
                    false => continue,
                }
            }
        };
        assert_eq!(mine, theirs, "{shape:?} step {step} (seed {seed}): {name} {key:?} flags {flags}");
    }
    finish(&kernel, &*ours, ordered);
    count
}

/// Compares the whole contents, by keys and by batches, then freezing.
fn finish(kernel: &KernelMap, ours: &dyn Map, ordered: bool) {
    let shape = kernel.shape;
    let walk = |next: &dyn Fn(Option<&[u8]>) -> Answer| {
        let mut keys: Vec<Vec<u8>> = Vec::new();
        while let Ok(key) = next(keys.last().map(Vec::as_slice)) {
            keys.push(key);
            assert!(keys.len() <= shape.max_entries as usize);
        }
        if !ordered {
            keys.sort();
        }
        keys
    };
    let theirs = walk(&|key| kernel.out(NEXT_KEY, key, vec![0; shape.key_size as usize], 0));
    assert_eq!(walk(&|key| number_of(ours.next_key(key))), theirs, "{shape:?}");
    let (keys, values, count, result) = kernel.lookup_batch(shape.max_entries + 1);
    let batch = ours.lookup_batch(None, shape.max_entries + 1, 0);
    assert_eq!(batch.stopped.map(Errno::number), result.err(), "{shape:?}");
    assert_eq!(batch.count, count, "{shape:?}");
    let sorted = |keys: &[u8], values: &[u8]| {
        let values = values.chunks(kernel.value().len()).map(<[u8]>::to_vec);
        let keys = keys.chunks(shape.key_size.max(1) as usize).map(<[u8]>::to_vec);
        keys.zip(values).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(sorted(&batch.keys, &batch.values), sorted(&keys, &values), "{shape:?}");
    for _ in 0..2 {
        assert_eq!(ours.freeze().map_err(Errno::number), kernel.freeze());
    }
    let mut value = kernel.value();
    let key = vec![0; shape.key_size as usize];
    let mine = ours.update_elem(&key, &value, 0).map_err(Errno::number);
    assert_eq!(mine, kernel.elem(UPDATE, Some(&key), &mut value, 0), "{shape:?} frozen");
}

#[test]
fn elements_answer_as_in_the_kernel() {
    if !allowed() {
        return;
    }
    let (count, cpus) = (number("OXBPF_MAP_OPS", 2000), possible_cpus());
    let shape = MapShape::new;
    let mut shapes = Vec::new();
    for (key, value, max) in [(1, 1, 4), (4, 8, 16), (8, 3, 10), (13, 40, 32), (64, 100, 7)] {
        shapes.push((shape(MapType::Hash, key, value, max), false));
        shapes.push((shape(MapType::Hash, key, value, max).with_flags(flag::NO_PREALLOC), false));
        shapes.push((shape(MapType::PercpuHash, key, value, max), false));
        shapes.push((shape(MapType::PercpuHash, key, value, max).with_flags(flag::NO_PREALLOC), false));
        shapes.push((shape(MapType::Array, 4, value, max), true));
        shapes.push((shape(MapType::PercpuArray, 4, value, max), true));
        shapes.push((shape(MapType::Queue, 0, value, max), true));
        shapes.push((shape(MapType::Stack, 0, value, max), true));
        shapes.push((shape(MapType::LpmTrie, 4 + key, value, max).with_flags(flag::NO_PREALLOC), true));
    }
    shapes.push((shape(MapType::Hash, 4, 8, 16).with_flags(flag::RDONLY), false));
    shapes.push((shape(MapType::Hash, 4, 8, 16).with_flags(flag::WRONLY), false));
    shapes.push((shape(MapType::Array, 4, 8, 3).with_flags(flag::MMAPABLE), true));
    let total: u64 = shapes.iter().map(|(shape, ordered)| compare(*shape, count, cpus, *ordered)).sum();
    println!("{total} commands on {} maps answered alike", shapes.len());
}

#[test]
fn redirections_answer_as_in_the_kernel() {
    if !allowed() {
        return;
    }
    let (count, cpus) = (number("OXBPF_MAP_OPS", 2000), possible_cpus());
    let mut total = 0;
    for value in [4, 8] {
        total += compare(MapShape::new(MapType::Devmap, 4, value, 5), count, cpus, true);
        total += compare(MapShape::new(MapType::DevmapHash, 4, value, 5), count, cpus, false);
        // Each target is a thread of the kernel, which takes its time.
        total += compare(MapShape::new(MapType::Cpumap, 4, value, cpus + 3), count.min(200), cpus, true);
    }
    println!("{total} commands on 6 maps answered alike");
}

#[test]
fn evicting_maps_keep_the_kernels_bounds() {
    if !allowed() {
        return;
    }
    let (count, cpus) = (number("OXBPF_MAP_OPS", 2000), possible_cpus());
    for map_type in [MapType::LruHash, MapType::LruPercpuHash] {
        let shape = MapShape::new(map_type, 4, 8, 64);
        let kernel = KernelMap::create(shape, None, cpus).unwrap();
        let ours = maps::create(shape, &Creation::default(), &settings(cpus)).unwrap();
        let (mut state, mut model) = (88_172_645u64, BTreeMap::new());
        for step in 0..count {
            let key = (random(&mut state) as u32 >> 8 & 127).to_ne_bytes();
            let flags = random(&mut state) >> 40 & 3;
            let mut value = random_value(ours.user_value_size(), &mut state);
            // What either holds is what was written last; updates answer by what it holds.
            let theirs = kernel.out(LOOKUP, Some(&key), kernel.value(), 0);
            let mine = number_of(ours.lookup_elem(&key, 0));
            for held in [&theirs, &mine] {
                assert!(held.as_ref().map_or_else(|e| *e == 2, |held| model.get(&key) == Some(held)));
            }
            let answer = |had: bool| match (flags, had) {
                (3, _) => Err(22),
                (1, true) => Err(17),
                (2, false) => Err(2),
                _ => Ok(()),
            };
            // The kernel makes room before it looks for the key, and may evict that very key.
            let wrote = kernel.elem(UPDATE, Some(&key), &mut value, flags);
            assert!(wrote == answer(theirs.is_ok()) || wrote == answer(false), "step {step}: {wrote:?}");
            let updated = ours.update_elem(&key, &value, flags).map_err(Errno::number);
            assert_eq!(updated, answer(mine.is_ok()), "{shape:?} step {step}");
            // Where only one of them wrote, they differ in what they evicted: the key goes from both.
            if wrote.is_ok() != updated.is_ok() {
                let _ = (kernel.out(DELETE, Some(&key), Vec::new(), 0), ours.delete_elem(&key));
            } else if wrote.is_ok() {
                model.insert(key, value);
            }
        }
        assert!(ours.elements().unwrap().len() <= 64 && kernel.lookup_batch(200).2 <= 64);
    }
    println!("{} commands on 2 maps kept their bounds", count * 2);
}

#[test]
fn maps_of_maps_answer_as_in_the_kernel() {
    if !allowed() {
        return;
    }
    let (count, cpus) = (number("OXBPF_MAP_OPS", 2000), possible_cpus());
    let array = MapShape::new(MapType::Array, 4, 8, 2);
    let inner_shapes = [
        array,
        MapShape { max_entries: 3, ..array },
        MapShape { value_size: 4, ..array },
        array.with_flags(flag::INNER_MAP),
        array.with_flags(flag::MMAPABLE),
        array.with_flags(flag::RDONLY),
        MapShape::new(MapType::Hash, 4, 8, 2),
        MapShape::new(MapType::Hash, 4, 8, 200),
        MapShape::new(MapType::PercpuArray, 4, 8, 2),
    ];
    let table = Arc::new(Table::default());
    let mut kernels = Vec::new();
    for shape in inner_shapes {
        let kernel = KernelMap::create(shape, None, cpus).unwrap();
        let ours = maps::create(shape, &Creation::default(), &settings(cpus)).unwrap();
        table.0.lock().unwrap().insert(kernel.fd as u32, ours);
        kernels.push(kernel);
    }
    let mut compared = 0;
    for (template, map_type) in
        kernels.iter().flat_map(|k| [(k, MapType::ArrayOfMaps), (k, MapType::HashOfMaps)])
    {
        let shape = MapShape::new(map_type, 4, 4, 5);
        let kernel = KernelMap::create(shape, Some(template.fd), cpus).unwrap();
        let handles: Arc<dyn Handles> = table.clone();
        let creation =
            Creation { inner: Some(template.shape), handles: Some(handles), ..Creation::default() };
        let ours = maps::create(shape, &creation, &settings(cpus)).unwrap();
        let mut state = 0x1234_5678_9abc + u64::from(map_type.number());
        for step in 0..count / 2 {
            let key = random_key(&shape, &mut state);
            let flags = [0, 0, 0, 1, 2, 3][(random(&mut state) >> 20) as usize % 6];
            let pick = random(&mut state) as usize >> 30 & 15;
            let fd = kernels.get(pick).map_or(60_000, |k| k.fd as u32);
            let what = random(&mut state) >> 33 & 7;
            let (theirs, mine) = match what {
                0..=3 => {
                    let mut value = fd.to_ne_bytes();
                    let mine = ours.update_elem(&key, &value, flags).map(|()| Vec::new());
                    (kernel.elem(UPDATE, Some(&key), &mut value, flags).map(|()| Vec::new()), mine)
                }
                // The ids of the kernel's maps are its own.
                4 => {
                    let theirs = kernel.out(LOOKUP, Some(&key), vec![0; 4], 0).map(|_| Vec::new());
                    (theirs, ours.lookup_elem(&key, 0).map(|_| Vec::new()))
                }
                5 => {
                    let mine = ours.lookup_and_delete_elem(&key, 0).map(|_| Vec::new());
                    (kernel.out(TAKE, Some(&key), vec![0; 4], 0).map(|_| Vec::new()), mine)
                }
                _ => {
                    let mine = ours.delete_elem(&key).map(|()| Vec::new());
                    (kernel.out(DELETE, Some(&key), Vec::new(), 0), mine)
                }
            };
            assert_eq!(
                number_of(mine),
                theirs,
                "{map_type} of {:?} step {step}: {what} {key:?} {fd} {flags}",
                template.shape
            );
            compared += 1;
        }
    }
    println!("{compared} commands on {} maps of maps answered alike", kernels.len() * 2);
}

#[test]
fn creation_is_refused_as_in_the_kernel() {
    if !allowed() {
        return;
    }
    let cpus = possible_cpus();
    let types = [
        MapType::Hash,
        MapType::Array,
        MapType::ProgArray,
        MapType::PerfEventArray,
        MapType::PercpuHash,
        MapType::PercpuArray,
        MapType::StackTrace,
        MapType::LruHash,
        MapType::LruPercpuHash,
        MapType::LpmTrie,
        MapType::Queue,
        MapType::Stack,
        MapType::BloomFilter,
        MapType::Ringbuf,
        MapType::UserRingbuf,
        MapType::CgroupArray,
        MapType::Devmap,
        MapType::DevmapHash,
        MapType::Cpumap,
        MapType::Sockmap,
        MapType::Sockhash,
        MapType::Xskmap,
        MapType::ReuseportSockarray,
    ];
    let sizes = [0, 1, 3, 4, 5, 8, 12, 16, 260, 261, 1016, 1024, 32760, 32768, 32769, 4096, 65536, 1 << 22];
    let huge = [(1 << 22) - 264, (1 << 22) - 280, (1 << 22) - 48, (1 << 22) - 52, i32::MAX as u32, u32::MAX];
    let (mut state, mut compared, mut refused) = (88_172_645u64, 0u64, 0u64);
    let inner = KernelMap::create(MapShape::new(MapType::Array, 4, 4, 1), None, cpus).unwrap();
    for step in 0..number("OXBPF_MAP_OPS", 2000) * 10 {
        let mut pick = |list: &[u32]| list[random(&mut state) as usize % list.len()];
        let map_type = types[pick(&(0..types.len() as u32).collect::<Vec<_>>()) as usize];
        let all: Vec<u32> = sizes.iter().chain(&huge).copied().collect();
        let usual = [0, 4, 8, 5, 4];
        let key_size = if pick(&[0, 1]) == 0 { pick(&usual) } else { pick(&all) };
        let value_size = if pick(&[0, 1]) == 0 { pick(&usual) } else { pick(&all) };
        let max_entries = pick(&[0, 1, 2, 5, 64, 4095, 4096, 8192, 12288]);
        let bit = 1 << pick(&(0..19).collect::<Vec<_>>());
        let flags = [0, flag::NO_PREALLOC, bit, bit | flag::NO_PREALLOC, bit | 1 << pick(&[1, 3, 4, 7, 8])]
            [pick(&[0, 0, 1, 2, 3, 4]) as usize];
        // Numa nodes, tokens and types by descriptor are judged outside of the map's own rules.
        let outside = flag::NUMA_NODE | flag::TOKEN_FD | flag::VTYPE_BTF_OBJ_FD | flag::PATH_FD;
        let map_extra = u64::from(pick(&[0, 0, 0, 1, 15, 16]));
        let shape =
            MapShape { map_type, key_size, value_size, max_entries, flags: flags & !outside, map_extra };
        let bytes = u64::from(max_entries) * (u64::from(key_size) + u64::from(value_size) * u64::from(cpus));
        // How many CPUs a kernel was built for, only it knows.
        let built = map_type == MapType::Cpumap && max_entries > 64;
        let theirs = if built || bytes > 16 << 20 && max_entries > 1 {
            continue;
        } else {
            KernelMap::create(shape, Some(inner.fd), cpus).map(drop)
        };
        let creation = Creation { inner: Some(inner.shape), ..Creation::default() };
        let mine = maps::create(shape, &creation, &settings(cpus)).map(drop);
        assert_eq!(mine.map_err(|e| e.errno().number()), theirs, "step {step}: {shape:?}");
        compared += 1;
        refused += u64::from(theirs.is_err());
    }
    println!("{compared} creations answered alike, {refused} of them refused");
}
