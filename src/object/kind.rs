//! What a program is for: what its section's name says, unless the caller says otherwise.
//!
//! Follows `bpf_object_init_progs` and `libbpf_prepare_prog_load` of libbpf 1.7 over the table of
//! sections among the kernel facts.

use oxbpf_isa::kernel::sections::{self, SectionFlags};
use oxbpf_isa::kernel::{AttachType, KernelVersion, ProgType};
use oxbpf_isa::program::ProgFlags;

/// What a program is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProgramKind {
    pub prog_type: ProgType,
    /// None where the type has no attach types or the section leaves it open.
    pub attach_type: Option<AttachType>,
    /// A function, a tracepoint, a hook.
    pub target: Option<String>,
    pub flags: ProgFlags,
    is_usdt: bool,
}

impl ProgramKind {
    /// A program of this type, with nothing more said.
    pub fn new(prog_type: ProgType) -> ProgramKind {
        let flags = ProgFlags::default();
        ProgramKind { prog_type, attach_type: None, target: None, flags, is_usdt: false }
    }

    /// What the name of a section says; a leading `?` says nothing of this.
    pub fn of_section(name: &str) -> Option<ProgramKind> {
        let name = name.strip_prefix('?').unwrap_or(name);
        let Some(found) = sections::lookup(name) else { return Self::of_probe(name) };
        let def = found.def;
        let mut kind = ProgramKind::new(def.prog_type);
        // Attach type 0 means none, except for the programs it was made for.
        let is_zero = def.attach_type == AttachType::CgroupInetIngress;
        kind.attach_type = Some(def.attach_type).filter(|_| !is_zero || def.prog_type == ProgType::CgroupSkb);
        kind.target = found.target.filter(|t| !t.is_empty()).map(str::to_owned);
        if def.flags.contains(SectionFlags::SLEEPABLE) {
            kind.flags.0 |= ProgFlags::SLEEPABLE;
        }
        if def.flags.contains(SectionFlags::FRAGS) {
            kind.flags.0 |= ProgFlags::XDP_HAS_FRAGS;
        }
        kind.is_usdt = def.flags.contains(SectionFlags::USDT);
        Some(kind)
    }

    /// What the name of a section says in an object of `bpftrace --emit-elf`: `s_`, the probe, and a
    /// number, as in `s_kprobe:vfs_read_1`.
    fn of_probe(section: &str) -> Option<ProgramKind> {
        let probe = probe(section)?;
        let (name, rest) = probe.split_once(':').map_or((probe, ""), |(name, rest)| (name, rest));
        let target = Some(rest.to_owned()).filter(|r| !r.is_empty());
        let (prog_type, attach_type) = match name {
            "BEGIN" | "END" | "self" | "kprobe" | "kretprobe" | "uprobe" | "uretprobe" | "usdt" => {
                (ProgType::Kprobe, None)
            }
            "tracepoint" => (ProgType::Tracepoint, None),
            "rawtracepoint" => (ProgType::RawTracepoint, None),
            "profile" | "interval" | "software" | "hardware" | "watchpoint" | "asyncwatchpoint" => {
                (ProgType::PerfEvent, None)
            }
            "kfunc" | "fentry" => (ProgType::Tracing, Some(AttachType::TraceFentry)),
            "kretfunc" | "fexit" => (ProgType::Tracing, Some(AttachType::TraceFexit)),
            "iter" => (ProgType::Tracing, Some(AttachType::TraceIter)),
            _ => return None,
        };
        let target = match (prog_type, target) {
            (ProgType::Tracepoint, Some(target)) => Some(target.replacen(':', "/", 1)),
            (_, target) => target,
        };
        Some(ProgramKind { attach_type, target, ..ProgramKind::new(prog_type) })
    }

    /// What a caller says: the name of a program type, such as `kprobe` or `BPF_PROG_TYPE_XDP`, or
    /// a section's name, such as `fentry.s/vfs_read`.
    pub fn parse(text: &str) -> Option<ProgramKind> {
        Self::of_section(text).or_else(|| ProgType::from_name(text).map(ProgramKind::new))
    }

    /// What is left to the kernel: user-space tracepoints attach to many places at once where that
    /// is possible, since Linux 6.6.
    pub(super) fn for_kernel(mut self, version: Option<KernelVersion>) -> ProgramKind {
        if self.is_usdt && version.is_none_or(|v| v.at_least(KernelVersion::new(6, 6))) {
            self.attach_type = Some(AttachType::TraceUprobeMulti);
        }
        self
    }
}

/// The probe that a section of an object of bpftrace is for.
pub(super) fn probe(section: &str) -> Option<&str> {
    let (probe, number) = section.strip_prefix("s_")?.rsplit_once('_')?;
    number.bytes().all(|b| b.is_ascii_digit()).then_some(probe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_say_type_attach_target_and_flags() {
        let kind = |name| ProgramKind::of_section(name).unwrap();
        let fentry = kind("?fentry.s/vfs_read");
        assert_eq!(
            (fentry.prog_type, fentry.attach_type),
            (ProgType::Tracing, Some(AttachType::TraceFentry))
        );
        assert_eq!(fentry.target.as_deref(), Some("vfs_read"));
        assert!(fentry.flags.has(ProgFlags::SLEEPABLE));
        assert!(kind("xdp.frags").flags.has(ProgFlags::XDP_HAS_FRAGS));
        assert_eq!(kind("tc").attach_type, None);
        assert_eq!(kind("cgroup_skb/ingress").attach_type, Some(AttachType::CgroupInetIngress));
        assert_eq!(kind("usdt").for_kernel(None).attach_type, Some(AttachType::TraceUprobeMulti));
        assert_eq!(kind("usdt").for_kernel(Some(KernelVersion::new(6, 1))).attach_type, None);
        assert_eq!(ProgramKind::of_section("no/such/section"), None);
    }

    #[test]
    fn probes_of_bpftrace_are_known() {
        let kind = |name| ProgramKind::of_section(name).map(|k| (k.prog_type, k.target));
        let some = |prog_type, target: &str| Some((prog_type, Some(target.to_owned())));
        assert_eq!(kind("s_kprobe:vfs_read_1"), some(ProgType::Kprobe, "vfs_read"));
        assert_eq!(
            kind("s_tracepoint:block:block_rq_issue_12"),
            some(ProgType::Tracepoint, "block/block_rq_issue")
        );
        assert_eq!(kind("s_interval:s:1_1"), some(ProgType::PerfEvent, "s:1"));
        assert_eq!(kind("s_BEGIN_1"), Some((ProgType::Kprobe, None)));
        assert_eq!(kind("s_kprobe:vfs_read"), None);
        assert_eq!(kind("s_nothing:x_1"), None);
    }

    #[test]
    fn callers_may_name_a_type_or_a_section() {
        assert_eq!(ProgramKind::parse("socket_filter").unwrap().prog_type, ProgType::SocketFilter);
        assert_eq!(ProgramKind::parse("BPF_PROG_TYPE_XDP").unwrap().prog_type, ProgType::Xdp);
        let tracepoint = ProgramKind::parse("tracepoint/block/block_rq_issue").unwrap();
        assert_eq!(tracepoint.target.as_deref(), Some("block/block_rq_issue"));
        assert_eq!(ProgramKind::parse("no such thing"), None);
    }
}
