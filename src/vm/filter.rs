//! Classic filters as machine code, called once for each packet or once for many.
//!
//! A run of an [`Instance`](super::Instance) sets up what any program may ask for: a stack, regions,
//! the host's state. A converted filter asks for nothing but its packet, so a [`PacketFilter`] owns its
//! one frame and context and goes straight into the code, with the packet's address and length in
//! registers. The rare questions that bytes do not answer (headers before the data, the processor,
//! a random number) come back to the packet through the table of services.
//!
//! A call into the code takes longer than many filters do. The code for a batch has the filter inside the
//! loop over its packets; it is compiled when it is first asked for.
//!
//! Which filters are legal is decided before, by [`cbpf::Filter::check`](oxbpf_isa::cbpf::Filter); the
//! conversion is proved by the verifier, and runs by that proof.

use super::compiled;
use super::context::sk_buff;
use super::engine::{Config, Engine};
use super::instance::Instance;
use super::linker::{Linker, Table};
use super::lower::LinkError;
use super::memory::Memory;
use oxbpf_isa::cbpf::convert::{self, ConvertError};
use oxbpf_isa::cbpf::{
    Ancillary, Dialect, Filter, Insn, LINK_OFFSET, NET_OFFSET, Packet, PacketContext, Size,
};
use oxbpf_isa::kernel::ProgType;
use oxbpf_isa::program::Program;
use oxbpf_jit::abi::{self, Context, Entry, Returned, Services};
use oxbpf_jit::{Code, CompileError, PacketAt};
use std::ffi::c_void;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};
use std::{error, fmt, ptr};

/// A classic filter as machine code.
///
/// One value runs on one thread at a time; a clone for another thread shares the code.
///
/// ```
/// use oxbpf::isa::cbpf::{Dialect, Filter, expr};
/// use oxbpf::vm::PacketFilter;
///
/// let program = expr::compile("ip proto 17", &expr::Options::new(expr::LinkType::Raw))?;
/// let mut filter = PacketFilter::new(&Filter::check(&program, Dialect::Pcap)?)?;
/// let mut packet = [0u8; 20];
/// (packet[0], packet[9]) = (0x45, 17);
/// assert_eq!(filter.run(&packet, 20), 262_144);
/// packet[9] = 6;
/// assert_eq!(filter.run(&packet, 20), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PacketFilter {
    entry: Entry,
    /// The frame, below which lies the context of the code.
    memory: Box<Memory>,
    fp: u64,
    /// `struct __sk_buff`, as far as filters read it.
    fields: Box<[u32; sk_buff::SIZE as usize / 4]>,
    asks: Asks,
    made: Arc<Made>,
}

/// What clones share.
struct Made {
    instance: Instance<()>,
    dialect: Dialect,
    asks: Asks,
    /// The code for a packet.
    code: Arc<Code>,
    /// That for many, once it was asked for, if there can be any.
    batch: OnceLock<Option<Arc<Code>>>,
}

/// A packet of a batch.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct PacketRef<'a> {
    packet: abi::Packet,
    data: PhantomData<&'a [u8]>,
}

impl<'a> PacketRef<'a> {
    /// A packet of which `data` was captured and `wire_len` bytes were sent. Of more than `u32::MAX` bytes
    /// only so many are seen.
    #[inline]
    pub fn new(data: &'a [u8], wire_len: u32) -> PacketRef<'a> {
        let len = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let packet = abi::Packet { wire_len, len, data: data.as_ptr().expose_provenance() as u64 };
        PacketRef { packet, data: PhantomData }
    }

    /// What was captured.
    pub fn data(&self) -> &'a [u8] {
        let start = ptr::with_exposed_provenance(self.packet.data as usize);
        // SAFETY: so many bytes lie there, and are borrowed for as long as this may live.
        unsafe { std::slice::from_raw_parts(start, self.packet.len as usize) }
    }

    /// How many bytes were sent.
    pub fn wire_len(&self) -> u32 {
        self.packet.wire_len
    }
}

/// What a filter asks for beside bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Asks {
    /// The packet's length.
    len: bool,
    /// Ancillary values, or headers before the data. Only then an offset may be negative.
    more: bool,
}

impl Asks {
    fn of(filter: &Filter) -> Asks {
        let mut asks = Asks::default();
        let kernel = filter.dialect() == Dialect::Socket;
        for insn in filter.insns() {
            match *insn {
                Insn::LoadLen | Insn::LoadXLen => asks.len = true,
                Insn::LoadAbs { k, .. } | Insn::LoadXMsh(k) if k.cast_signed() < 0 => asks.more |= kernel,
                // The index may lead anywhere.
                Insn::LoadInd { .. } => asks.more |= kernel,
                _ => {}
            }
        }
        asks
    }
}

/// Why a filter has no machine code.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum FilterError {
    /// It has no eBPF form.
    Convert(ConvertError),
    /// The verifier does not get to the end of its eBPF form, which is too long.
    Unproven,
    /// Its eBPF form cannot be linked.
    Link(LinkError),
    /// The compiler refuses.
    Compile(CompileError),
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FilterError::Convert(error) => write!(f, "no eBPF form: {error}"),
            FilterError::Unproven => f.write_str("its eBPF form is too long to be proved"),
            FilterError::Link(error) => error.fmt(f),
            FilterError::Compile(error) => error.fmt(f),
        }
    }
}

impl error::Error for FilterError {}

impl PacketFilter {
    /// Converts, proves and compiles a filter for packets.
    ///
    /// # Errors
    /// When the filter is for system calls, has loops (libpcap's `protochain`), asks for what
    /// `struct __sk_buff` does not have, or is too long for the verifier; or there is no compiler for
    /// this machine.
    pub fn new(filter: &Filter) -> Result<PacketFilter, FilterError> {
        let insns = convert::convert(filter, &convert::Options::default()).map_err(FilterError::Convert)?;
        let mut program = Program::from_insns("filter", insns);
        program.prog_type = Some(ProgType::SocketFilter);
        // A filter has no loops, so nothing needs to be counted.
        let engine = Engine::new(Config::new().fuel(false));
        let proof = oxbpf_verifier::prove(&program, super::newest(), engine.cpus())
            .map_err(|_| FilterError::Unproven)?;
        let instance = Linker::<()>::new(&engine).instantiate_verified(&proof).map_err(FilterError::Link)?;
        let (asks, dialect) = (Asks::of(filter), filter.dialect());
        let packet = PacketAt::Args { headers: asks.more };
        let code = compiled::compile_filter(&engine, instance.linked(), packet);
        let code = code.map_err(FilterError::Compile)?;
        PacketFilter::of(Arc::new(Made { instance, dialect, asks, code, batch: OnceLock::new() }))
    }

    fn of(made: Arc<Made>) -> Result<PacketFilter, FilterError> {
        let (entry, _) = made.code.entry(0).ok_or(FilterError::Compile(CompileError::Machine))?;
        let mut memory = Box::new(Memory::new());
        memory.reset();
        let fp = memory.enter(0);
        // SAFETY: the context lies in the block of this memory, and nobody has a reference to it.
        unsafe { (*memory.context()).services = SERVICES };
        let fields = Box::new([0; sk_buff::SIZE as usize / 4]);
        let asks = made.asks;
        Ok(PacketFilter { entry, memory, fp, fields, asks, made })
    }

    /// The verdict on a packet of which `data` was captured and `wire_len` bytes were sent: so many
    /// bytes to keep, 0 for none.
    ///
    /// Filters of the kernel see `data` alone, without metadata.
    #[inline]
    pub fn run(&mut self, data: &[u8], wire_len: u32) -> u32 {
        // Most filters ask for neither.
        if self.asks == Asks::default() {
            return self.enter(data);
        }
        if self.asks.more {
            return self.run_more(data, wire_len);
        }
        let pcap = self.made.dialect == Dialect::Pcap;
        self.set(sk_buff::LEN, if pcap { wire_len } else { data.len() as u32 });
        self.enter(data)
    }

    #[inline(never)]
    fn run_more(&mut self, data: &[u8], wire_len: u32) -> u32 {
        let mut packet = Packet::new(data);
        packet.wire_len = wire_len;
        self.run_packet(&packet)
    }

    /// The verdict on a packet with its metadata.
    pub fn run_packet(&mut self, packet: &Packet<'_>) -> u32 {
        let len = if self.made.dialect == Dialect::Pcap { packet.wire_len() } else { packet.len() };
        self.set(sk_buff::LEN, len);
        if self.asks.more {
            self.set(sk_buff::PKT_TYPE, packet.pkt_type.into());
            self.set(sk_buff::MARK, packet.mark);
            self.set(sk_buff::QUEUE_MAPPING, packet.queue.into());
            self.set(sk_buff::PROTOCOL, packet.protocol.to_be().into());
            self.set(sk_buff::VLAN_PRESENT, packet.vlan.is_some().into());
            self.set(sk_buff::VLAN_TCI, packet.vlan.map_or(0, |vlan| vlan.tci.into()));
            self.set(sk_buff::VLAN_PROTO, packet.vlan.map_or(0, |vlan| vlan.tpid.to_be().into()));
            self.set(sk_buff::IFINDEX, packet.ifindex.unwrap_or(0));
            self.set(sk_buff::HASH, packet.rxhash);
        }
        let host: *const Packet<'_> = packet;
        // SAFETY: the context lies in the block of this memory, and nobody has a reference to it.
        unsafe { (*self.memory.context()).run = host.cast_mut().cast::<c_void>() };
        // No packet is that long; offsets beyond are taken to be negative.
        let data = packet.data();
        self.enter(&data[..data.len().min(i32::MAX as usize)])
    }

    /// The verdicts on many packets, each as [`PacketFilter::run`] gives it, in order: as many as there are
    /// both packets and places for verdicts, which is what is returned. Other places are left alone.
    ///
    /// The first call compiles code for it. Filters that ask for metadata or for headers before the
    /// data take the packets one by one.
    pub fn run_batch(&mut self, packets: &[PacketRef<'_>], verdicts: &mut [u32]) -> usize {
        let count = packets.len().min(verdicts.len());
        let Some((entry, _)) = self.batch_code().and_then(|code| code.entry(0)) else {
            for (packet, verdict) in packets.iter().zip(verdicts) {
                *verdict = self.run(packet.data(), packet.wire_len());
            }
            return count;
        };
        let packets = packets.as_ptr().expose_provenance() as u64;
        let verdicts = verdicts.as_mut_ptr().expose_provenance() as u64;
        // SAFETY: the code lives as long as this value, and was compiled with a proof. It takes so many
        // packets, which are what it takes them for, and writes as many verdicts. It asks no
        // service. The frame lies in a block with a context.
        let returned = unsafe { entry(self.fp, packets, count as u64, verdicts, 0, 0) };
        // Nothing in a filter traps.
        debug_assert_eq!(returned.status, 0);
        count
    }

    /// The machine code for a packet.
    pub fn code(&self) -> &Code {
        &self.made.code
    }

    /// The machine code for many, which is compiled unless that is done; none where packets are taken one
    /// by one.
    pub fn batch_code(&self) -> Option<&Code> {
        self.made.batch.get_or_init(|| self.made.compile_batch()).as_deref()
    }

    fn set(&mut self, field: u32, value: u32) {
        self.fields[field as usize / 4] = value;
    }

    #[inline]
    fn enter(&mut self, data: &[u8]) -> u32 {
        let len = data.len() as u64;
        let context = self.fields.as_mut_ptr().expose_provenance() as u64;
        let data = data.as_ptr().expose_provenance() as u64;
        // SAFETY: the code lives as long as this value. The frame lies in a block with a context, in which
        // are services that ask the packet when the filter does. The code was compiled with a
        // proof and takes the packet from its arguments; the structure it reads is `fields`.
        let returned = unsafe { (self.entry)(self.fp, context, data, len, 0, 0) };
        // Nothing in a filter traps.
        debug_assert_eq!(returned.status, 0);
        returned.value as u32
    }
}

impl Made {
    fn compile_batch(&self) -> Option<Arc<Code>> {
        if self.asks.more {
            return None;
        }
        // R1 points to the length of the packet at hand, which is all of the structure that is asked for.
        const { assert!(sk_buff::LEN == 0) };
        let packet = PacketAt::Batch { wire: self.dialect == Dialect::Pcap };
        compiled::compile_filter(self.instance.engine_ref(), self.instance.linked(), packet).ok()
    }
}

impl Clone for PacketFilter {
    fn clone(&self) -> PacketFilter {
        let clone = PacketFilter::of(self.made.clone());
        clone.expect("there is a first function, as there was for this one")
    }
}

impl fmt::Debug for PacketFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PacketFilter").field("dialect", &self.made.dialect).finish_non_exhaustive()
    }
}

/// What converted filters ask of the host: packet loads at negative offsets, and two helpers.
const SERVICES: Services = Services { packet, answer, ..compiled::SERVICES };

/// The packet of the run whose frame this is.
///
/// # Safety
/// `fp` is the frame pointer of a run begun by [`PacketFilter::run_packet`], which lasts.
unsafe fn packet_of<'a>(fp: u64) -> &'a Packet<'a> {
    let context = fp & !(oxbpf_jit::abi::ARENA as u64 - 1);
    let context = ptr::with_exposed_provenance::<Context>(context as usize);
    // SAFETY: by the contract, the context's `run` is the packet.
    unsafe { &*(*context).run.cast_const().cast::<Packet<'a>>() }
}

/// The two windows of negative offsets (Linux `bpf_internal_load_pointer_neg_helper`).
unsafe extern "C" fn packet(fp: u64, offset: u64, bytes: u64) -> Returned {
    // SAFETY: only filters with loads at negative offsets come here, which `run` hands to
    // `run_packet`; the indexed loads of libpcap's dialect are held below 2^31 by the conversion.
    let packet = unsafe { packet_of(fp) };
    let offset = offset as u32 as i32;
    let from = match offset {
        NET_OFFSET..0 => (offset - NET_OFFSET).checked_add(packet.network_offset()),
        LINK_OFFSET..NET_OFFSET => {
            packet.link_offset().and_then(|link| (offset - LINK_OFFSET).checked_add(link))
        }
        _ => None,
    };
    let size = match bytes {
        1 => Size::B,
        2 => Size::H,
        _ => Size::W,
    };
    let value = from.and_then(|from| packet.read(from, size));
    value.map_or(Returned::NOTHING, |value| Returned::value(value.into()))
}

/// `bpf_get_smp_processor_id` and `bpf_get_prandom_u32`, of which the packet has the answers.
unsafe extern "C" fn answer(fp: u64, index: u64) -> Returned {
    const PRANDOM_U32: i32 = 7;
    // SAFETY: only filters that ask for ancillary values call helpers, and `run` hands those to
    // `run_packet`.
    let packet = unsafe { packet_of(fp) };
    let is_random = Table::own(index as usize) == Some(PRANDOM_U32);
    let which = if is_random { Ancillary::Random } else { Ancillary::Cpu };
    Returned::value(packet.ancillary(which, 0, 0).unwrap_or(0).into())
}
