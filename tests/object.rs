//! Objects of the project's own, compiled from the sources beside them by `objects/build.sh`: what
//! is read of them, how they are linked, and what a small kernel's types make of them.
#![cfg(feature = "elf")]

use oxbpf::isa::btf::core::CoreTarget;
use oxbpf::isa::btf::{Kind, Linkage, Type};
use oxbpf::isa::insn::ByteOrder;
use oxbpf::isa::kernel::{AttachType, KernelModel, KernelVersion, MapType, ProgType};
use oxbpf::isa::program::{MapDef, Program, SlotTarget};
use oxbpf::object::*;
use std::collections::BTreeMap;
use std::path::PathBuf;

fn bytes(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/objects").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn open(name: &str) -> Object {
    Object::parse(bytes(name), name.split('.').next().unwrap()).unwrap()
}

fn kernel() -> CoreTarget {
    CoreTarget::new(open("kernel.bpf.o").btf().unwrap().clone())
}

fn index(object: &Object, program: &str) -> usize {
    object.programs().find(|(_, f)| f.name == program).unwrap().0
}

fn load(object: &Object, program: &str, options: &LoadOptions<'_>) -> Result<Loaded, ProgramError> {
    object.load(index(object, program), options)
}

fn map<'a>(object: &'a Object, name: &str) -> &'a MapDef {
    &object.maps().iter().find(|m| m.def.name == name).unwrap_or_else(|| panic!("no map {name}")).def
}

fn functions(program: &Program) -> Vec<(u32, &str)> {
    let btf = program.btf.as_ref().unwrap();
    program.funcs.iter().map(|f| (f.insn, btf.ty(f.type_id).unwrap().name())).collect()
}

#[test]
fn definitions_of_maps_are_read() {
    for name in ["maps.bpf.o", "maps-big.bpf.o"] {
        let object = open(name);
        assert_eq!(object.order(), if name == "maps.bpf.o" { ByteOrder::Little } else { ByteOrder::Big });
        let table = map(&object, "table");
        assert_eq!((table.kind(), table.key_size, table.value_size), (Some(MapType::Hash), 8, 8));
        assert_eq!((table.max_entries, table.flags, table.pinned), (100, 1, true));
        assert_eq!(table.btf.as_ref().unwrap().ty(table.key_type).unwrap().name(), "key");
        assert_eq!(map(&object, "bloom").map_extra, 5);
        assert_eq!(map(&object, "ring").max_entries, 8192);
        let outer = map(&object, "outer");
        let inner = outer.inner.as_ref().unwrap();
        assert_eq!((inner.kind(), inner.max_entries, inner.value_size), (Some(MapType::Array), 3, 4));
        assert_eq!(inner.name, "outer.inner");
        let slots: Vec<_> = outer.slots.iter().map(|s| (s.index, s.target.clone())).collect();
        let target = |name: &str| SlotTarget::Map(name.to_owned());
        assert_eq!(slots, [(1, target("first")), (3, target("second"))]);
        let jumps: Vec<_> = map(&object, "jumps").slots.iter().map(|s| (s.index, s.target.clone())).collect();
        let target = |name: &str| SlotTarget::Program(name.to_owned());
        assert_eq!(jumps, [(0, target("two")), (1, target("one"))]);
    }
}

#[test]
fn global_data_becomes_maps() {
    for name in ["maps.bpf.o", "maps-big.bpf.o"] {
        let object = open(name);
        let value = |bytes: &[u8]| match object.order() {
            ByteOrder::Little => u32::from_le_bytes(bytes[..4].try_into().unwrap()),
            ByteOrder::Big => u32::from_be_bytes(bytes[..4].try_into().unwrap()),
        };
        let prefix = name.split('.').next().unwrap().replace('-', "_");
        let short = |section: &str| format!("{prefix}{section}");
        let data = map(&object, &short(".data"));
        assert_eq!((data.kind(), data.value_size, data.frozen), (Some(MapType::Array), 8, false));
        let btf = object.btf().unwrap();
        let Some(Type::Datasec(section)) = btf.ty(data.value_type) else { panic!("no section") };
        assert_eq!(section.size, 8);
        for var in section.vars() {
            let expected = if btf.ty(var.var).unwrap().name() == "counter" { 7 } else { 3 };
            assert_eq!(value(&data.data.as_ref().unwrap()[var.offset as usize..]), expected);
        }
        let rodata = map(&object, &short(".rodata"));
        assert!(rodata.frozen && rodata.flags & 1 << 7 != 0);
        assert_eq!(value(rodata.data.as_ref().unwrap()), 11);
        assert_eq!(map(&object, &short(".bss")).data, None);
        assert_eq!(value(map(&object, ".data.custom").data.as_ref().unwrap()), 13);
    }
}

#[test]
fn programs_refer_to_their_maps() {
    let object = open("maps.bpf.o");
    let one = load(&object, "one", &LoadOptions::default()).unwrap();
    assert!(one.unresolved.is_empty());
    let p = one.program;
    assert_eq!((p.prog_type, p.license.as_str()), (Some(ProgType::SocketFilter), "Dual MIT/GPL"));
    assert!(p.is_gpl_compatible());
    let loads: Vec<_> = (0..p.insns.len()).filter(|&i| p.insns[i].is_ldimm64()).collect();
    for &i in loads.iter().filter(|&&i| p.insns[i].src != 0) {
        let map = &p.maps[p.insns[i].imm as usize];
        match p.insns[i].src {
            1 => assert_eq!(map.name, "table"),
            2 => assert!((p.insns[i + 1].imm as u32) < map.value_size, "{}", map.name),
            src => panic!("source {src}"),
        }
    }
    let names: Vec<&str> = p.maps.iter().map(|m| m.name.as_str()).collect();
    assert!(
        ["table", "maps.data", "maps.rodata", "maps.bss", ".data.custom"].iter().all(|n| names.contains(n))
    );
    let two = object.functions()[index(&object, "two")].clone();
    assert!(!two.autoload && object.section_of(&two) == "?tc");
    let two = load(&object, "two", &LoadOptions::default()).unwrap().program;
    assert_eq!((two.section.as_str(), two.prog_type), ("tc", Some(ProgType::SchedCls)));
}

#[test]
fn changes_of_maps_reach_the_programs() {
    let object = open("maps.bpf.o");
    let mut change = MapChange::new(MapName::Name("table".to_owned()));
    change.max_entries = Some(5);
    let changes = [change];
    let options = LoadOptions { maps: &changes, cpus: 4, ..LoadOptions::default() };
    let one = load(&object, "one", &options).unwrap().program;
    assert_eq!(one.maps.iter().find(|m| m.name == "table").unwrap().max_entries, 5);
    let two = load(&object, "two", &options).unwrap().program;
    let events = two.maps.iter().find(|m| m.name == "events").unwrap();
    assert_eq!((events.max_entries, events.key_type.0), (4, 0));
    let changes = [MapChange::new(MapName::Name("none".to_owned()))];
    let error = object.prepare(&LoadOptions { maps: &changes, ..LoadOptions::default() }).unwrap_err();
    assert_eq!(error, PrepareError::NoMap { name: "none".to_owned() });
}

#[test]
fn the_kernel_has_its_say_about_maps() {
    let object = open("maps.bpf.o");
    let model = KernelModel::at(KernelVersion::new(6, 18)).unwrap();
    let options = LoadOptions { kernel: Some(&model), ..LoadOptions::default() };
    assert!(object.prepare(&options).is_ok());
    let mut change = MapChange::new(MapName::Name("table".to_owned()));
    change.max_entries = Some(0);
    let changes = [change];
    let error = object.prepare(&LoadOptions { maps: &changes, ..options }).unwrap_err();
    assert_eq!(error.to_string(), "map table: max_entries is 0, expected at least 1");
}

#[test]
fn subprograms_are_linked_in_the_order_calls_find_them() {
    let object = open("calls.bpf.o");
    let program = |name: &str| load(&object, name, &LoadOptions::default()).unwrap().program;
    let nested = program("nested");
    assert_eq!(functions(&nested), [(0, "nested"), (4, "middle"), (8, "leaf"), (11, "shared")]);
    let calls: Vec<_> = (0..nested.insns.len())
        .filter(|&i| nested.insns[i].code == 0x85)
        .map(|i| (i, i as i32 + 1 + nested.insns[i].imm))
        .collect();
    assert_eq!(calls, [(0, 4), (2, 11), (5, 8), (12, 8)]);
    let starts = nested.lines.iter().map(|l| l.insn).collect::<Vec<_>>();
    assert!(starts.is_sorted() && nested.line_of(8).is_some());
    let looped = program("looped");
    assert_eq!(functions(&looped), [(0, "looped"), (11, "step")]);
    assert_eq!((looped.insns[5].src, looped.insns[5].imm), (4, 5));
    assert_eq!(functions(&program("thrower")), [(0, "thrower"), (2, "on_throw")]);
}

#[test]
fn hidden_functions_are_static_to_the_verifier() {
    let object = open("calls.bpf.o");
    let btf = object.btf().unwrap();
    let linkage = |name| match btf.ty(btf.find(name, Kind::Func).unwrap()).unwrap() {
        Type::Func { linkage, .. } => linkage,
        other => panic!("{other:?}"),
    };
    assert_eq!(linkage("concealed"), Linkage::Static);
    assert_eq!(linkage("shared"), Linkage::Global);
}

const CONFIG: &str = "CONFIG_HZ=250\nCONFIG_BPF=y\nCONFIG_MODULE=m\nCONFIG_NAME=\"abc\"\n";

#[test]
fn configuration_values_fill_their_map() {
    let object = open("externs.bpf.o");
    let model = KernelModel::at(KernelVersion::new(6, 12)).unwrap();
    let symbols = BTreeMap::from([("some_address".to_owned(), 1)]);
    let target = kernel();
    let config = Kconfig::parse(CONFIG).unwrap();
    let options = LoadOptions {
        target: Some(&target),
        kernel: Some(&model),
        patch: 7,
        config: Some(&config),
        addresses: Some(&symbols),
        ..LoadOptions::default()
    };
    let loaded = load(&object, "config", &options).unwrap();
    assert!(loaded.unresolved.is_empty());
    let values = &loaded.program.maps[0];
    assert!(values.frozen && values.name == "externs.kconfig");
    let data = values.data.as_ref().unwrap();
    // By falling alignment, rising size and name: three words, then a byte and a text.
    assert_eq!(data[0..4], 250u32.to_le_bytes());
    assert_eq!(data[4..8], 2u32.to_le_bytes());
    assert_eq!(data[8..12], 0x060c07u32.to_le_bytes());
    assert_eq!(data[12..], [1, b'a', b'b', b'c', 0, 0, 0, 0, 0]);
    let empty = Kconfig::parse("CONFIG_HZ=100\n").unwrap();
    let weak = load(&object, "config", &LoadOptions { config: Some(&empty), ..options }).unwrap();
    assert_eq!(weak.program.maps[0].data.as_ref().unwrap()[12..], [0; 9]);
    let none = Kconfig::default();
    let error = object.prepare(&LoadOptions { config: Some(&none), ..options }).unwrap_err();
    assert_eq!(error.to_string(), "extern CONFIG_HZ: the target has nothing of this name");
    let wrong = Kconfig::parse("CONFIG_HZ=y\n").unwrap();
    let error = object.prepare(&LoadOptions { config: Some(&wrong), ..options }).unwrap_err();
    let problem = ResolveProblem::Value { problem: ValueProblem::Form };
    assert_eq!(error, PrepareError::Extern { name: "CONFIG_HZ".to_owned(), problem });
}

#[test]
fn kernel_symbols_and_types_are_resolved() {
    let object = open("externs.bpf.o");
    let target = kernel();
    let options = LoadOptions { target: Some(&target), ..LoadOptions::default() };
    let loaded = load(&object, "kernel", &options).unwrap();
    assert!(loaded.unresolved.is_empty());
    let p = loaded.program;
    assert_eq!(
        (p.prog_type, p.expected_attach_type),
        (Some(ProgType::Tracing), Some(AttachType::TraceRawTp))
    );
    assert_eq!(p.attach_target.as_deref(), Some("task_newtask"));
    let kernel_btf = target.vmlinux();
    let function = kernel_btf.find("current_task", Kind::Func).unwrap();
    let variable = kernel_btf.find("first_task", Kind::Var).unwrap();
    let call = p.insns.iter().position(|i| i.code == 0x85 && i.src == 2).unwrap();
    assert_eq!(p.insns[call].imm as u32, function.0);
    let noted: Vec<_> = p.kfuncs.iter().map(|k| (k.insn as usize, k.name.as_str(), k.weak)).collect();
    assert_eq!(noted, [(call, "current_task", false)]);
    // The missing weak function: its address is zero and its call is one that no kernel accepts.
    let poisoned = p.insns.iter().filter(|i| i.code == 0x85 && i.imm / 1000 == 2_002_000).count();
    assert_eq!(poisoned, 1);
    let typed: Vec<_> = p.insns.iter().filter(|i| i.is_ldimm64() && i.src == 3).collect();
    assert_eq!(typed.len(), 1);
    assert_eq!(typed[0].imm as u32, variable.0);
    // CO-RE: `pid` is at 12 in the kernel's task, at 0 in the object's.
    assert!(p.insns.iter().any(|i| i.code == 0x61 && i.off == 12), "{:?}", p.insns);
}

#[test]
fn what_is_not_given_stays_unresolved() {
    let object = open("externs.bpf.o");
    let nothing = LoadOptions::default();
    let names = |loaded: &Loaded| -> Vec<String> {
        let name = |u: &Unresolved| match u {
            Unresolved::Core { .. } => "core".to_owned(),
            Unresolved::Symbol { name, .. } | Unresolved::Config { name, .. } => name.clone(),
            other => panic!("{other:?}"),
        };
        loaded.unresolved.iter().map(name).collect()
    };
    let kernel = load(&object, "kernel", &nothing).unwrap();
    for expected in ["core", "current_task", "missing_function", "first_task"] {
        assert!(names(&kernel).iter().any(|n| n == expected), "{expected}");
    }
    let config = load(&object, "config", &nothing).unwrap();
    assert!(names(&config).iter().any(|n| n == "LINUX_KERNEL_VERSION"));
    assert!(names(&config).iter().any(|n| n == "CONFIG_BPF"));
    assert_eq!(names(&load(&object, "address", &nothing).unwrap()), ["some_address"]);
    let symbols = BTreeMap::from([("some_address".to_owned(), 0xffff_8000_1234_5678)]);
    let options = LoadOptions { addresses: Some(&symbols), ..nothing };
    let loaded = load(&object, "address", &options).unwrap();
    assert!(loaded.unresolved.is_empty());
    let p = loaded.program;
    let at = p.insns.iter().position(|i| i.is_ldimm64()).unwrap();
    assert_eq!(p.insns[at].imm64(p.insns[at + 1]), 0xffff_8000_1234_5678);
    let symbols = BTreeMap::new();
    let error = object.prepare(&LoadOptions { addresses: Some(&symbols), ..nothing }).unwrap_err();
    assert_eq!(error.to_string(), "extern some_address: the target has nothing of this name");
}

#[test]
fn structs_of_callbacks_are_held_against_the_kernels() {
    let object = open("struct_ops.bpf.o");
    let target = kernel();
    let options = LoadOptions { target: Some(&target), ..LoadOptions::default() };
    let ops = map(&object, "ops").struct_ops.as_ref().unwrap();
    let members: Vec<_> = ops.members.iter().map(|(m, p)| (m.as_str(), p.as_str())).collect();
    assert_eq!(members, [("start", "start"), ("stop", "stop")]);
    let member = |name| load(&object, name, &options).unwrap().program.struct_ops.unwrap();
    let id = target.vmlinux().find("sample_ops", Kind::Struct).unwrap();
    assert_eq!((member("start").kernel, member("start").member.as_str()), (Some((id, 2)), "start"));
    assert_eq!((member("stop").kernel, member("stop").type_name.as_str()), (Some((id, 1)), "sample_ops"));
    // A struct that is made only when asked for, with a callback that the kernel does not have.
    let mut change = MapChange::new(MapName::Name("optional".to_owned()));
    change.autocreate = Some(true);
    let changes = [change];
    let error = object.prepare(&LoadOptions { maps: &changes, ..options }).unwrap_err();
    let problem = StructOpsProblem::NoMember { member: "later".to_owned() };
    assert_eq!(error, PrepareError::StructOps { map: "optional".to_owned(), problem });
    // The types of a kernel without such structs.
    let other = CoreTarget::new(open("calls.bpf.o").btf().unwrap().clone());
    let error = object.prepare(&LoadOptions { target: Some(&other), ..options }).unwrap_err();
    let problem = StructOpsProblem::NotFound;
    assert_eq!(error, PrepareError::StructOps { map: "ops".to_owned(), problem });
}

#[test]
fn an_arena_holds_its_variables() {
    let object = open("arena.bpf.o");
    let arena = map(&object, "arena");
    assert_eq!(arena.data.as_deref(), Some(&[1, 0, 0, 0, 2, 0, 0, 0][..]));
    let sum = load(&object, "sum", &LoadOptions::default()).unwrap().program;
    let offsets: Vec<_> = (0..sum.insns.len())
        .filter(|&i| sum.insns[i].is_ldimm64() && sum.insns[i].src == 2)
        .map(|i| sum.insns[i + 1].imm)
        .collect();
    assert_eq!(offsets, [0, 4]);
    assert_eq!(sum.maps.len(), 1);
}

#[test]
fn old_forms_are_read() {
    let object = open("legacy.bpf.o");
    let old = map(&object, "old");
    assert_eq!((old.kind(), old.key_size, old.value_size, old.max_entries), (Some(MapType::Array), 4, 8, 16));
    assert_eq!(object.version(), 0x0102_0304);
    let lookup = load(&object, "lookup", &LoadOptions::default()).unwrap().program;
    assert_eq!((lookup.maps[0].name.as_str(), lookup.prog_type), ("old", Some(ProgType::Xdp)));
    let text = open("text.bpf.o");
    let programs: Vec<&str> = text.programs().map(|(_, f)| f.name.as_str()).collect();
    assert_eq!(programs, ["entry"]);
    let kinds = [("entry".to_owned(), ProgramKind::parse("socket").unwrap())];
    let options = LoadOptions { kinds: &kinds, ..LoadOptions::default() };
    let entry = load(&text, "entry", &options).unwrap().program;
    assert_eq!(functions(&entry).iter().map(|f| f.1).collect::<Vec<_>>(), ["entry", "twice"]);
    assert_eq!(entry.prog_type, Some(ProgType::SocketFilter));
}

#[test]
fn objects_of_bpftrace_need_their_maps_named() {
    let object = open("trace.bpf.o");
    let kinds: Vec<_> = object
        .programs()
        .map(|(i, f)| (f.name.clone(), object.load(i, &LoadOptions::default()).unwrap().program.prog_type))
        .collect();
    let kind = |name: &str| kinds.iter().find(|k| k.0 == name).unwrap().1;
    assert_eq!(kind("BEGIN"), Some(ProgType::Kprobe));
    assert_eq!(kind("interval:s:1"), Some(ProgType::PerfEvent));
    assert_eq!(kind("kprobe:vfs_read"), Some(ProgType::Kprobe));
    let unnamed = load(&object, "interval:s:1", &LoadOptions::default()).unwrap();
    let Some(&Unresolved::MapFd { fd, .. }) = unnamed.unresolved.first() else {
        panic!("{:?}", unnamed.unresolved)
    };
    let change: MapChange = format!("{fd}=percpu_array,key:4,value:8").parse().unwrap();
    let maps = [change];
    let named =
        load(&object, "interval:s:1", &LoadOptions { maps: &maps, ..LoadOptions::default() }).unwrap();
    assert!(named.unresolved.is_empty() && named.program.is_gpl_compatible());
    assert_eq!(named.program.maps[0].kind(), Some(MapType::PercpuArray));
}

#[test]
fn faults_of_files_say_where() {
    let good = bytes("maps.bpf.o");
    let with = |at: usize, new: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + new.len()].copy_from_slice(new);
        Object::parse(bytes, "bad").unwrap_err().to_string()
    };
    assert_eq!(with(0, b"\x7fELG"), "ELF at byte 0: not an ELF file");
    assert_eq!(with(4, &[1]), "ELF at byte 4: ELF class 1, expected 2 (64-bit)");
    assert_eq!(with(18, &[62, 0]), "ELF at byte 18: machine 62, expected 247 (BPF)");
    assert_eq!(with(16, &[2, 0]), "ELF at byte 16: ELF type 2, expected 1 (relocatable object)");
    let size = good.len();
    let expected = format!("ELF at byte 40: a table of 65279 sections does not fit a file of {size} bytes");
    assert_eq!(with(60, &[0xff, 0xfe]), expected);
    let cut = Object::parse(&good[..size - 1], "bad").unwrap_err();
    assert!(matches!(cut, ObjectError::Elf { problem: ElfProblem::SectionTable { .. }, .. }), "{cut}");
    // The second section's header made to name the bytes of another.
    let table = u64::from_le_bytes(good[40..48].try_into().unwrap()) as usize;
    let first: Vec<usize> = (1..4).map(|i| table + 64 * i).collect();
    let offset = good[first[2] + 24..first[2] + 40].to_vec();
    let overlap = with(first[1] + 24, &offset);
    assert!(overlap.contains("share bytes of the file"), "{overlap}");
}
