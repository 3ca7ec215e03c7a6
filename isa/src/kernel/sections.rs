//! Section names: what the name of an ELF section says about the program in it.
//!
//! The table is that of libbpf 1.7. A name is exact, or has a prefix that a `/` and the attach
//! target must follow, or may follow. What the target names is left to who loads the object.

use super::kind::bit_set;
use super::{AttachType, ProgType};

bit_set! {
    /// Marks of a section definition.
    SectionFlags(u8) {
        /// The expected attach type may be left out for kernels that do not know it.
        OPTIONAL_ATTACH = 0, "optional_attach";
        /// The loader can attach the program by itself, so the expected attach type is given.
        ATTACHABLE = 1, "attachable";
        /// The attach target is a BTF id of the kernel's.
        ATTACH_BTF = 2, "attach_btf";
        /// The program is sleepable.
        SLEEPABLE = 3, "sleepable";
        /// The program handles fragments.
        FRAGS = 4, "frags";
        /// A user-space tracepoint: the loader needs its own machinery, and gives the attach type
        /// `trace_uprobe_multi` where the kernel can link several probes at once.
        USDT = 5, "usdt";
    }
}

/// How a section name continues after the definition's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SectionTail {
    /// Not at all.
    Exact,
    /// With `/` and more.
    Required,
    /// Not at all, or with `/` and more.
    Optional,
}

/// One definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionDef {
    /// The name up to the `/`.
    pub name: &'static str,
    /// How the name continues.
    pub tail: SectionTail,
    /// The program type.
    pub prog_type: ProgType,
    /// The expected attach type, 0 when there is none.
    pub attach_type: AttachType,
    /// Its marks.
    pub flags: SectionFlags,
}

/// A section name that a definition fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionMatch<'a> {
    /// The definition.
    pub def: &'static SectionDef,
    /// What follows the `/`, when something does.
    pub target: Option<&'a str>,
}

/// Finds the definition for a section name. The first that fits in the table's order wins.
///
/// ```
/// use oxbpf_isa::kernel::{sections, AttachType, ProgType};
/// let found = sections::lookup("fentry.s/vfs_read").unwrap();
/// assert_eq!(found.def.prog_type, ProgType::Tracing);
/// assert_eq!(found.def.attach_type, AttachType::TraceFentry);
/// assert_eq!(found.target, Some("vfs_read"));
/// assert!(sections::lookup("no/such/section").is_none());
/// ```
pub fn lookup(name: &str) -> Option<SectionMatch<'_>> {
    ALL.iter().find_map(|def| {
        let rest = name.strip_prefix(def.name)?;
        let target = match (rest.is_empty(), rest.strip_prefix('/')) {
            (true, _) => None,
            (false, Some(target)) => Some(target),
            (false, None) => return None,
        };
        let fits = match def.tail {
            SectionTail::Exact => target.is_none(),
            SectionTail::Required => target.is_some(),
            SectionTail::Optional => true,
        };
        fits.then_some(SectionMatch { def, target })
    })
}

/// The whole table.
pub const ALL: &[SectionDef] = super::generated::sections::SECTIONS;
