//! What programs are run on.

use super::Args;
use crate::cli::{CliError, input};
use crate::packet::Capture;
use crate::vm::{Context, ContextLayout, Packet, sk_buff};
use oxbpf_isa::btf::value::encode;
use oxbpf_isa::btf::{Btf, Type, TypeId};
use oxbpf_isa::kernel::ProgType;
use oxbpf_isa::program::Program;
use std::path::Path;

/// One thing to run.
pub(super) struct Case {
    pub program: String,
    /// Which input it is, for people.
    pub label: String,
    pub cpu: u32,
    /// The time that the program sees, in ns.
    pub time: Option<u64>,
    pub kind: Kind,
}

/// What a program is given.
pub(super) enum Kind {
    None,
    Memory(Vec<u8>),
    Context(Context),
    Packet(Context, Packet),
}

/// The runs that the arguments ask of a program.
pub(super) fn cases(args: &Args, program: &Program) -> Result<Vec<Case>, CliError> {
    let case = |label: String, time, kind| Case { program: program.name.clone(), label, cpu: 0, time, kind };
    if let Some(text) = &args.mem {
        return Ok(vec![case("memory".to_owned(), None, Kind::Memory(bytes(text)?))]);
    }
    let mut cases = Vec::new();
    for (nth, text) in args.packet.iter().enumerate() {
        let kind = packet(program, &bytes(text)?, args)?;
        cases.push(case(format!("packet {}", nth + 1), None, kind));
    }
    if let Some(path) = &args.pcap {
        let file = input::bytes(path)?;
        let capture = Capture::open(&file).map_err(|e| CliError::input(path.display(), e))?;
        for (nth, captured) in capture.enumerate() {
            let captured = captured.map_err(|e| CliError::input(path.display(), e))?;
            const ETHERNET: u32 = 1;
            if captured.link_type != ETHERNET {
                let problem =
                    format!("packet {} has link type {}, expected Ethernet", nth + 1, captured.link_type);
                return Err(CliError::input(path.display(), problem));
            }
            let kind = packet(program, captured.bytes, args)?;
            cases.push(case(format!("packet {}", nth + 1), Some(captured.time), kind));
        }
    }
    if !cases.is_empty() {
        return Ok(cases);
    }
    let kind = match &args.ctx {
        Some(fields) => {
            let pairs = fields.split(',').map(|f| f.split_once('=').unwrap_or((f, "")));
            Kind::Context(context(program, pairs)?)
        }
        None => match layout(program.prog_type) {
            Some(_) => {
                return Err(CliError::Usage(format!(
                    "program {} runs on packets: give --packet or --pcap",
                    program.name
                )));
            }
            None => Kind::None,
        },
    };
    Ok(vec![case("run".to_owned(), None, kind)])
}

/// Hexadecimal digits, or the content of the file after `@`.
fn bytes(text: &str) -> Result<Vec<u8>, CliError> {
    match text.strip_prefix('@') {
        Some(path) => input::bytes(Path::new(path)),
        None if text.is_empty() => Ok(Vec::new()),
        None => input::hex(text).ok_or_else(|| {
            CliError::Usage(format!("{text:?}: expected hexadecimal digits, or @ and a file"))
        }),
    }
}

/// The context of programs that run on packets.
fn layout(prog_type: Option<ProgType>) -> Option<ContextLayout> {
    use ProgType::*;
    match prog_type? {
        Xdp => Some(ContextLayout::xdp_md()),
        SocketFilter | SchedCls | SchedAct | CgroupSkb | LwtIn | LwtOut | LwtXmit | LwtSeg6local | SkSkb
        | FlowDissector => Some(ContextLayout::sk_buff()),
        _ => None,
    }
}

/// Whether programs of this type see a packet from its network header on.
fn above_link(prog_type: Option<ProgType>) -> bool {
    use ProgType::*;
    matches!(prog_type, Some(CgroupSkb | LwtIn | LwtOut | LwtXmit | LwtSeg6local))
}

fn packet(program: &Program, bytes: &[u8], args: &Args) -> Result<Kind, CliError> {
    let Some(layout) = layout(program.prog_type) else {
        // Bare instructions and other types take the packet as memory.
        return Ok(Kind::Memory(bytes.to_vec()));
    };
    let is_skb = layout.len_field.is_some();
    let mut context = Context::new(layout);
    let mut packet = Packet::new(bytes);
    if is_skb {
        let protocol = bytes.get(12..14).map_or(0, |p| u16::from_ne_bytes([p[0], p[1]]));
        context.set_u32(sk_buff::PROTOCOL, protocol as u32);
        context.set_u32(sk_buff::IFINDEX, 1);
        context.set_u32(sk_buff::INGRESS_IFINDEX, 1);
        if above_link(program.prog_type) {
            packet = packet.at_network_header(14);
        }
        context.set_u32(sk_buff::LEN, packet.len() as u32);
    } else {
        const INGRESS_IFINDEX: u32 = 12;
        context.set_u32(INGRESS_IFINDEX, 1);
    }
    if let Some(fields) = &args.ctx {
        let Some((btf, id)) = context_type(program) else { return Err(no_type(program)) };
        for (path, value) in fields.split(',').map(|f| f.split_once('=').unwrap_or((f, ""))) {
            encode(btf, id, context.bytes_mut(), path, value).map_err(|e| CliError::Usage(e.to_string()))?;
        }
    }
    Ok(Kind::Packet(context, packet))
}

fn no_type(program: &Program) -> CliError {
    CliError::Usage(format!("program {}: its types do not say what its context is", program.name))
}

/// The struct that the program's argument points to.
fn context_type(program: &Program) -> Option<(&Btf, TypeId)> {
    let btf = program.btf.as_deref()?;
    let main = program.funcs.iter().find(|f| f.insn == 0)?;
    let Type::FuncProto(proto) = btf.ty(btf.ty(main.type_id)?.target()?)? else { return None };
    let argument = proto.params().next()?;
    let (_, Type::Ptr(target)) = btf.resolved(argument.ty)? else { return None };
    let id = btf.resolve(target)?;
    btf.ty(id)?.composite().map(|_| (btf, id))
}

/// A context out of fields of its type.
pub(super) fn context<'a>(
    program: &Program,
    fields: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<Context, CliError> {
    let (btf, id) = context_type(program).ok_or_else(|| no_type(program))?;
    let size = btf.size_of(id).filter(|&s| s <= 1 << 16).ok_or_else(|| no_type(program))?;
    let mut bytes = vec![0; size as usize];
    for (path, value) in fields {
        encode(btf, id, &mut bytes, path, value).map_err(|e| CliError::Usage(e.to_string()))?;
    }
    Ok(Context::from_bytes(&bytes))
}
