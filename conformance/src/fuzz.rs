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

/// Any instructions, judged.
pub fn verify(bytes: &[u8]) {
    let mut program = Program::from_insns("fuzz", slots(bytes));
    program.prog_type = Some(oxbpf::isa::kernel::ProgType::SocketFilter);
    let _ = oxbpf_verifier::verify(&program, &oxbpf_verifier::Kernel::new(&KernelModel::latest()));
}
