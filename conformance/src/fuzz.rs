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
    ("programs", programs),
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

/// Any instructions, judged; the first byte says as what.
pub fn verify(bytes: &[u8]) {
    use oxbpf::isa::kernel::ProgType;
    const TYPES: [ProgType; 4] =
        [ProgType::SocketFilter, ProgType::Xdp, ProgType::SchedCls, ProgType::Kprobe];
    let Some((&kind, bytes)) = bytes.split_first() else { return };
    let mut program = Program::from_insns("fuzz", slots(bytes));
    program.prog_type = Some(TYPES[usize::from(kind) % TYPES.len()]);
    judge(&program);
}

/// Instructions that are nearly valid: four bytes give one, and registers begin with something in them.
pub fn programs(bytes: &[u8]) {
    use oxbpf::isa::kernel::{MapType, ProgType};
    use oxbpf::isa::program::MapDef;
    // Moves, sums, loads, stores, jumps, and a helper.
    const CODES: [u8; 20] = [
        0xbf, 0xb7, 0x0f, 0x07, 0x57, 0x67, 0x77, 0x1f, 0x0c, 0x79, 0x61, 0x71, 0x7b, 0x63, 0x7a, 0x15, 0x25,
        0x2d, 0x6d, 0x85,
    ];
    const MOST: usize = 4 * 200;
    let raw = RawInsn::new;
    // R0 and R4 are a map's value, R2 is the stack, R6 the context, R7 and R3 32 bytes of packet, R8 its
    // end, the others numbers.
    let mut insns = vec![
        raw(0xbf, 6, 1, 0, 0),
        raw(0x61, 7, 6, 0, 0),
        raw(0x61, 8, 6, 4, 0),
        raw(0x61, 9, 6, 12, 0),
        raw(0x7a, 10, 0, -8, 1),
        raw(0xbf, 2, 10, 0, 0),
        raw(0x07, 2, 0, 0, -8),
        raw(0x18, 1, 1, 0, 0),
        raw(0, 0, 0, 0, 0),
        raw(0x85, 0, 0, 0, 1),
        raw(0xbf, 1, 7, 0, 0),
        raw(0x07, 1, 0, 0, 32),
        raw(0x2d, 1, 8, 1, 0),
        raw(0x55, 0, 0, 2, 0),
        raw(0xb7, 0, 0, 0, 0),
        raw(0x95, 0, 0, 0, 0),
        raw(0xb7, 1, 0, 0, 4),
        raw(0xbf, 2, 10, 0, 0),
        raw(0xbf, 3, 7, 0, 0),
        raw(0xbf, 4, 0, 0, 0),
        raw(0x71, 5, 7, 1, 0),
    ];
    let (chunks, _) = bytes[..bytes.len().min(MOST)].as_chunks::<4>();
    for &[code, regs, off, imm] in chunks {
        let code = CODES[usize::from(code) % CODES.len()];
        let (dst, src) = ((regs & 15) % 11, (regs >> 4) % 11);
        let (off, imm) = ((i16::from(off as i8) / 4) & !7, i32::from(imm as i8));
        insns.push(match code {
            0x85 => raw(code, 0, 0, 0, [1, 2, 3, 5, 7, 8, 44][usize::from(imm as u8) % 7]),
            // Jumps go forward, so that what is random still ends.
            0x15 | 0x25 => raw(code, dst, 0, off >> 3 & 7, imm),
            0x2d | 0x6d => raw(code, dst, src, off >> 3 & 7, 0),
            0x7a => raw(code, dst, 0, off, imm),
            _ if code & 7 == 7 && code & 8 == 0 => raw(code, dst % 10, 0, 0, imm & 31),
            _ if code & 4 != 0 => raw(code, dst % 10, src, 0, 0),
            0x63 | 0x7b => raw(code, dst, src, off, 0),
            _ => raw(code, dst % 10, src, off, 0),
        });
    }
    insns.extend([raw(0xb7, 0, 0, 0, 0); 8]);
    insns.push(raw(0x95, 0, 0, 0, 0));
    let mut program = Program::from_insns("fuzz", insns);
    program.prog_type = Some(ProgType::Xdp);
    program.maps = vec![std::sync::Arc::new(MapDef {
        name: "m".to_owned(),
        map_type: MapType::Array.number(),
        key_size: 4,
        value_size: 48,
        max_entries: 2,
        ..MapDef::default()
    })];
    judge(&program);
}

/// Judges a program, and runs it without checks where it has a proof.
fn judge(program: &Program) {
    use oxbpf::vm::{Config, Context, ContextLayout, Engine, Input, Linker, TrapKind, Unknown};
    let model = KernelModel::latest();
    let verified = match oxbpf_verifier::prove(program, &model, 2) {
        Ok(verified) => verified,
        Err(_) => {
            return drop(oxbpf_verifier::verify_logged(program, &oxbpf_verifier::Kernel::new(&model), 2));
        }
    };
    let config = || Engine::new(Config::new().cpus(2).budget(1 << 16).unknown(Unknown::TrapAtCall));
    let (mut proven, mut checked) = (Linker::<()>::new(&config()), Linker::<()>::new(&config()));
    let Ok(proven) = proven.instantiate_verified(&verified) else { return };
    let checked = checked.instantiate(program).expect("what is linked proven is linked checked");
    let run = |instance: &oxbpf::vm::Instance<()>, len: usize| {
        let mut context = Context::new(ContextLayout::xdp_md());
        let mut packet = oxbpf::vm::Packet::new(&vec![len as u8; len]);
        let input = Input::context(&mut context).packet(&mut packet);
        if !instance.accepts(&input) {
            return None;
        }
        Some(instance.run(&mut (), input).map(|o| o.insns).map_err(|t| t.kind().clone()))
    };
    for len in [0, 1, 14, 64] {
        let (a, b) = (run(&checked, len), run(&proven, len));
        let Some(b) = b else { return };
        // Addresses and times differ between the two, and so may what is made of them; that each
        // access is good does not.
        let good = |r: &Result<u64, TrapKind>| !matches!(r, Err(TrapKind::Access { .. }));
        assert!(a.as_ref().is_none_or(good) && good(&b), "{a:?} {b:?}");
    }
}
