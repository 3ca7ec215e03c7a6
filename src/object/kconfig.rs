//! Values of `.kconfig` externs: a kernel's configuration, and what libbpf says of a kernel itself.
//!
//! Follows `bpf_object__process_kconfig_line` and `bpf_object__resolve_externs` of libbpf 1.7.

use super::error::ValueProblem;
use super::externs::KconfigForm;
use oxbpf_isa::insn::ByteOrder;
use oxbpf_isa::kernel::KernelVersion;
use std::collections::HashMap;

/// A kernel's configuration, as in `/boot/config-*`.
#[derive(Clone, Default, Debug)]
pub struct Kconfig(HashMap<String, String>);

/// The 1-based line of a configuration that is no `CONFIG_NAME=value`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KconfigError {
    pub line: usize,
}

impl std::fmt::Display for KconfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "kernel configuration line {}: expected CONFIG_NAME=value", self.line)
    }
}

impl std::error::Error for KconfigError {}

impl Kconfig {
    /// Reads lines of `CONFIG_NAME=value`; other lines are comments. The first value of a name
    /// counts. Lines of `LINUX_NAME=value` say what loaders find out about the kernel itself, where
    /// that is not what its version lets expect: `LINUX_HAS_SYSCALL_WRAPPER=0`.
    ///
    /// # Errors
    /// A line that begins with `CONFIG_` or `LINUX_` and has no value.
    pub fn parse(text: &str) -> Result<Kconfig, KconfigError> {
        let mut values = HashMap::new();
        for (nth, line) in text.lines().enumerate() {
            if !line.starts_with("CONFIG_") && !line.starts_with("LINUX_") {
                continue;
            }
            let split = line.split_once('=').filter(|(_, value)| !value.is_empty());
            let (name, value) = split.ok_or(KconfigError { line: nth + 1 })?;
            values.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
        Ok(Kconfig(values))
    }

    /// The text after `=`, when the option is set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// Where a value is stored.
pub(super) struct Place<'a> {
    pub form: KconfigForm,
    pub bytes: &'a mut [u8],
    pub order: ByteOrder,
}

impl Place<'_> {
    /// Stores the value of a configuration line.
    pub fn set(mut self, value: &str) -> Result<(), ValueProblem> {
        match value.as_bytes() {
            [b'y' | b'n' | b'm', ..] => self.set_choice(value.as_bytes()[0]),
            [b'"', ..] => self.set_text(value),
            _ => {
                let number = parse_number(value)?;
                match self.form {
                    KconfigForm::Int { .. } | KconfigForm::Char { .. } => self.set_number(number),
                    _ => Err(ValueProblem::Form),
                }
            }
        }
    }

    fn set_choice(&mut self, value: u8) -> Result<(), ValueProblem> {
        match self.form {
            KconfigForm::Bool if value == b'm' => Err(ValueProblem::Form),
            KconfigForm::Bool => {
                self.bytes[0] = (value == b'y') as u8;
                Ok(())
            }
            KconfigForm::Char { .. } => {
                self.bytes[0] = value;
                Ok(())
            }
            KconfigForm::Tristate => {
                let number = match value {
                    b'y' => 1,
                    b'm' => 2,
                    _ => 0,
                };
                self.store(number);
                Ok(())
            }
            KconfigForm::Int { .. } | KconfigForm::Text => Err(ValueProblem::Form),
        }
    }

    fn set_text(&mut self, value: &str) -> Result<(), ValueProblem> {
        if self.form != KconfigForm::Text {
            return Err(ValueProblem::Form);
        }
        let text =
            value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).ok_or(ValueProblem::Malformed)?;
        // A longer text is cut, with room for the end mark.
        let len = text.len().min(self.bytes.len() - 1);
        self.bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
        self.bytes[len] = 0;
        Ok(())
    }

    /// Stores a number.
    pub fn set_number(&mut self, value: u64) -> Result<(), ValueProblem> {
        let bits = self.bytes.len() as u32 * 8;
        let fits = |signed: bool| match signed {
            _ if bits >= 64 => true,
            true => value.wrapping_add(1 << (bits - 1)) < 1 << bits,
            false => value >> bits == 0,
        };
        match self.form {
            KconfigForm::Bool if value > 1 => return Err(ValueProblem::Form),
            KconfigForm::Int { signed } | KconfigForm::Char { signed } if !fits(signed) => {
                return Err(ValueProblem::Range { bytes: self.bytes.len() });
            }
            KconfigForm::Tristate | KconfigForm::Text => return Err(ValueProblem::Form),
            _ => {}
        }
        self.store(value);
        Ok(())
    }

    fn store(&mut self, value: u64) {
        let len = self.bytes.len().min(8);
        match self.order {
            ByteOrder::Little => self.bytes[..len].copy_from_slice(&value.to_le_bytes()[..len]),
            ByteOrder::Big => self.bytes[..len].copy_from_slice(&value.to_be_bytes()[8 - len..]),
        }
    }
}

/// A number as C writes it: decimal, octal after `0`, hexadecimal after `0x`, perhaps negative.
pub(super) fn parse_number(text: &str) -> Result<u64, ValueProblem> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let number = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16),
        None if digits.len() > 1 && digits.starts_with('0') => u64::from_str_radix(&digits[1..], 8),
        None => digits.parse(),
    };
    let number = number.map_err(|_| ValueProblem::Malformed)?;
    Ok(if negative { number.wrapping_neg() } else { number })
}

/// What libbpf says of the kernel itself; `None` for a name it does not know.
pub(super) fn of_kernel(name: &str, version: KernelVersion, patch: u8) -> Option<u64> {
    match name {
        "LINUX_KERNEL_VERSION" => {
            Some((version.major as u64) << 16 | (version.minor as u64) << 8 | patch as u64)
        }
        "LINUX_HAS_BPF_COOKIE" => Some(version.at_least(KernelVersion::new(5, 15)) as u64),
        // System calls have had wrappers on x86-64 since 4.17, and elsewhere soon after.
        "LINUX_HAS_SYSCALL_WRAPPER" => Some(version.at_least(KernelVersion::new(4, 17)) as u64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(form: KconfigForm, len: usize, value: &str) -> Result<Vec<u8>, ValueProblem> {
        let mut bytes = vec![0; len];
        Place { form, bytes: &mut bytes, order: ByteOrder::Little }.set(value).map(|()| bytes)
    }

    #[test]
    fn values_are_stored_by_the_form_of_their_declaration() {
        use KconfigForm::*;
        let signed = Int { signed: true };
        type Case = (KconfigForm, &'static str, Result<&'static [u8], ValueProblem>);
        let cases: &[Case] = &[
            (Bool, "y", Ok(&[1])),
            (Bool, "n", Ok(&[0])),
            (Bool, "m", Err(ValueProblem::Form)),
            (Tristate, "m", Ok(&[2, 0, 0, 0])),
            (Tristate, "y", Ok(&[1, 0, 0, 0])),
            (Char { signed: true }, "m", Ok(b"m")),
            (signed, "100", Ok(&[100, 0, 0, 0])),
            (signed, "0x10", Ok(&[16, 0, 0, 0])),
            (signed, "-1", Ok(&[0xff, 0xff, 0xff, 0xff])),
            (signed, "0x80000000", Err(ValueProblem::Range { bytes: 4 })),
            (Int { signed: false }, "0x80000000", Ok(&[0, 0, 0, 0x80])),
            (Int { signed: false }, "-1", Err(ValueProblem::Range { bytes: 4 })),
            (signed, "12x", Err(ValueProblem::Malformed)),
            (signed, "y", Err(ValueProblem::Form)),
            (Bool, "1", Err(ValueProblem::Form)),
            (Text, "\"abc\"", Ok(b"abc\0")),
            (Text, "\"abcdef\"", Ok(b"abc\0")),
            (Text, "\"abc", Err(ValueProblem::Malformed)),
            (Text, "5", Err(ValueProblem::Form)),
        ];
        for (form, value, expected) in cases {
            let len = if matches!(form, Bool | Char { .. }) { 1 } else { 4 };
            assert_eq!(stored(*form, len, value), expected.map(<[u8]>::to_vec), "{form:?} {value}");
        }
    }

    #[test]
    fn lines_are_read_as_the_kernel_writes_them() {
        let config =
            Kconfig::parse("# comment\nCONFIG_HZ=250\n# CONFIG_X is not set\nCONFIG_HZ=1\n").unwrap();
        assert_eq!(config.get("CONFIG_HZ"), Some("250"));
        assert_eq!(config.get("CONFIG_X"), None);
        assert_eq!(Kconfig::parse("\nCONFIG_Y=\n").unwrap_err(), KconfigError { line: 2 });
        assert_eq!(Kconfig::parse("CONFIG_Y").unwrap_err(), KconfigError { line: 1 });
    }

    #[test]
    fn the_kernel_is_described_by_its_version() {
        let v = KernelVersion::new(6, 18);
        assert_eq!(of_kernel("LINUX_KERNEL_VERSION", v, 44), Some(0x06122c));
        assert_eq!(of_kernel("LINUX_HAS_BPF_COOKIE", KernelVersion::new(5, 4), 0), Some(0));
        assert_eq!(of_kernel("LINUX_OTHER", v, 0), None);
    }
}
