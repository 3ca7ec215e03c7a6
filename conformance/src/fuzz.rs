//! What the fuzz targets do with bytes. They stand here so that the ordinary tests run them too, on
//! damaged seeds; `fuzz/` wraps them for libFuzzer.
//!
//! Each holds that no input makes a reader panic, hang or allocate without bound, and what reads back
//! to the same.

use std::fmt::Write;

use oxbpf::isa::asm::{Syntax, assemble};
use oxbpf::isa::btf::{Btf, BtfExt, Type, TypeId};
use oxbpf::isa::cbpf;
use oxbpf::isa::cfg::Cfg;
use oxbpf::isa::disasm::{Dialect, Exact, Kernel, Llvm, NoNames, Ubpf};
use oxbpf::isa::insn::{ByteOrder, Insn, RawInsn};
use oxbpf::isa::kernel::KernelModel;
use oxbpf::isa::program::Program;
use oxbpf::object::{LoadOptions, Object};

/// A target.
pub type Target = fn(&[u8]);

/// Every target by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("decode", decode),
    ("asm", asm),
    ("btf", btf),
    ("object", object),
    ("cbpf", classic),
    ("expr", expression),
    ("verify", verify),
];

fn slots(bytes: &[u8]) -> Vec<RawInsn> {
    let (chunks, _) = bytes.as_chunks::<8>();
    chunks.iter().map(|&c| RawInsn::from_bytes(c, ByteOrder::Little)).collect()
}

/// Instructions: what decodes encodes to the same, every dialect's text is read back, the graph is built.
pub fn decode(bytes: &[u8]) {
    // Long programs only repeat what short ones do, and take their time.
    const MOST: usize = 2048;
    let slots = slots(&bytes[..bytes.len().min(MOST)]);
    for (at, decoded) in Insn::decode_all(&slots) {
        if let Ok(insn) = decoded {
            let (first, second) = insn.encode();
            assert_eq!(first, slots[at]);
            assert!(second.is_none_or(|s| s == slots[at + 1]));
        }
    }
    let dialects: [(&dyn Dialect, Syntax); 3] =
        [(&Exact(Kernel), Syntax::Kernel), (&Exact(Llvm), Syntax::Llvm), (&Ubpf, Syntax::Ubpf)];
    for (dialect, syntax) in dialects {
        let (mut text, mut at) = (String::new(), 0);
        while at < slots.len() {
            at += dialect.any(&mut text, at, &slots[at..], &NoNames).expect("writing to a string");
            text.push('\n');
        }
        assert_eq!(assemble(&text, syntax).as_deref(), Ok(&slots[..]), "{text}");
    }
    let _ = Cfg::new(&slots);
}

/// Assembler text.
pub fn asm(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for syntax in [Syntax::Any, Syntax::Kernel, Syntax::Llvm, Syntax::Ubpf] {
        if let Err(e) = assemble(text, syntax) {
            assert!(e.line as usize <= text.lines().count().max(1));
        }
    }
}

/// Types: everything that can be asked of them.
pub fn btf(bytes: &[u8]) {
    let _ = BtfExt::parse(bytes);
    let Ok(btf) = Btf::parse(bytes) else { return };
    for (id, ty) in btf.types() {
        let _ = (btf.size_of(id), btf.align_of(id), btf.resolve(id));
        match ty {
            Type::Struct(c) | Type::Union(c) => {
                let _ = (btf.is_packed(c), btf.find_member(c, "x"));
                assert_eq!(c.members().count(), c.len());
            }
            Type::Enum(e) => drop(e.values().count()),
            Type::FuncProto(p) => drop(p.params().count()),
            Type::Datasec(d) => drop(d.vars().count()),
            _ => {}
        }
        if id > TypeId(200) {
            break;
        }
    }
    let mut text = String::new();
    let _ = oxbpf::isa::btf::show::c::Header::new(&btf).write(&mut text);
    let _ = write!(text, "{}", oxbpf::isa::btf::show::Raw(&btf));
}

/// Objects: opened, and every program prepared.
pub fn object(bytes: &[u8]) {
    let Ok(object) = Object::parse(bytes, "fuzz") else { return };
    for (entry, _) in object.programs() {
        if let Ok(loaded) = object.load(entry, &LoadOptions::default()) {
            let _ =
                oxbpf_verifier::verify(&loaded.program, &oxbpf_verifier::Kernel::new(&KernelModel::latest()));
        }
    }
}

/// Classic filters in every text form, checked and converted.
pub fn classic(bytes: &[u8]) {
    use oxbpf::isa::cbpf::{Dialect, Filter, convert};
    let Ok(parsed) = cbpf::text::read(bytes) else { return };
    for dialect in [Dialect::Socket, Dialect::Seccomp, Dialect::Pcap] {
        if let Ok(filter) = Filter::check(&parsed.program, dialect) {
            let _ = convert::convert(&filter, &convert::Options::default());
        }
    }
}

/// Filter expressions. The first byte says what for; the rest is the text.
pub fn expression(bytes: &[u8]) {
    use oxbpf::isa::cbpf::expr::{ErrorKind, LinkType, Options, Source, compile};
    use oxbpf::isa::cbpf::{Dialect, Filter};
    let Some((&how, text)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let mut options = Options::new(LinkType::ALL[usize::from(how >> 2) % LinkType::ALL.len()]);
    options.source = if how & 1 == 0 { Source::File } else { Source::Live };
    options.vlan_beside = how & 2 != 0;
    options.netmask = Some(0xffff_ff00);
    let optimised = compile(text, &options);
    options.optimize = false;
    let plain = compile(text, &options);
    for result in [&optimised, &plain] {
        match result {
            Ok(program) => assert!(Filter::check(program, Dialect::Pcap).is_ok(), "{text}"),
            Err(error) => {
                let words = text.get(error.span.start..error.span.end);
                assert!(
                    words.is_some_and(|words| !words.is_empty() || error.span.end == text.len()),
                    "{text}"
                );
                let _ = error.show(text).to_string();
            }
        }
    }
    // The optimiser finds out about constants, and nothing else is an error only with it.
    match (optimised, plain) {
        (Ok(optimised), Ok(plain)) => assert!(optimised.len() <= plain.len(), "{text}"),
        (Err(a), Err(b)) => assert_eq!(a, b, "{text}"),
        (Err(error), Ok(_)) => {
            let found = [ErrorKind::RejectsAll, ErrorKind::DivisionByZero, ErrorKind::Shift];
            assert!(found.contains(&error.kind), "{text}");
        }
        (Ok(_), Err(error)) => panic!("{text}: {error} without the optimiser only"),
    }
}

/// Any instructions, judged.
pub fn verify(bytes: &[u8]) {
    let mut program = Program::from_insns("fuzz", slots(bytes));
    program.prog_type = Some(oxbpf::isa::kernel::ProgType::SocketFilter);
    let _ = oxbpf_verifier::verify(&program, &oxbpf_verifier::Kernel::new(&KernelModel::latest()));
}
