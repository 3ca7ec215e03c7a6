//! Pieces of Rust text that several renderers write.

use oxbpf_isa::kernel::{KernelVersion, Privilege};

use super::{FactError, Place};

/// The head of a generated file.
pub(super) fn head(file: &str, imports: &str) -> String {
    format!("//! Rendered from `isa/facts/{file}`. Do not edit.\n\nuse crate::kernel::{{{imports}}};\n\n")
}

/// A version, as an expression.
pub(super) fn version(place: &Place<'_>, text: &str) -> Result<String, FactError> {
    let version: KernelVersion = text.parse().map_err(|_| place.malformed("kernel version", text))?;
    Ok(format!("KernelVersion::new({}, {})", version.major, version.minor))
}

/// A span of versions, as an expression.
pub(super) fn span(
    place: &Place<'_>,
    since: Option<&str>,
    until: Option<&str>,
    default: &str,
) -> Result<String, FactError> {
    let since_text = version(place, since.unwrap_or(default))?;
    match until {
        None => Ok(format!("Span::since({since_text})")),
        Some(until) => Ok(format!("Span {{ since: {since_text}, until: Some({}) }}", version(place, until)?)),
    }
}

/// How a fact is known, as an expression.
pub(super) fn known(place: &Place<'_>, text: Option<&str>) -> Result<&'static str, FactError> {
    match text {
        None | Some("measured") => Ok("Known::Measured"),
        Some("source") => Ok("Known::Source"),
        Some("documented") => Ok("Known::Documented"),
        Some(other) => Err(place.unknown("kind of knowledge", other)),
    }
}

/// A privilege, as an expression.
pub(super) fn privilege(place: &Place<'_>, text: Option<&str>) -> Result<String, FactError> {
    let privilege = match text {
        None => Privilege::None,
        Some("bpf") => Privilege::Bpf,
        Some("perfmon") => Privilege::Perfmon,
        Some("net_admin") => Privilege::NetAdmin,
        Some("sys_admin") => Privilege::SysAdmin,
        Some(other) => return Err(place.unknown("privilege", other)),
    };
    Ok(format!("Privilege::{privilege:?}"))
}

/// A set of named bits, as an expression over their number.
pub(super) fn bits<T>(
    place: &Place<'_>,
    what: &'static str,
    type_name: &str,
    names: &[String],
    find: impl Fn(&str) -> Option<T>,
    number: impl Fn(T) -> u64,
) -> Result<String, FactError> {
    let mut all = 0;
    for name in names {
        all |= number(find(name).ok_or_else(|| place.unknown(what, name))?);
    }
    Ok(if all == 0 { format!("{type_name}::NONE") } else { format!("{type_name}::from_bits({all:#x})") })
}
