//! The error numbers that bpf(2) and the map helpers answer with.
//!
//! Numbers and names are those of the generic Linux ABI (uapi `asm-generic/errno*.h`); `ENOTSUPP`
//! is internal to the kernel but reaches callers of bpf(2). A helper returns [`Errno::ret`].

/// Declares the error numbers from `Variant = number, "NAME", "meaning"` rows.
macro_rules! errnos {
    ($($variant:ident = $number:literal, $name:literal, $text:literal;)+) => {
        /// Why a map operation failed, as the kernel numbers it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        #[non_exhaustive]
        pub enum Errno { $(#[doc = $text] $variant = $number,)+ }

        impl Errno {
            /// Every error number maps know, in numeric order.
            pub const ALL: &'static [Errno] = &[$(Errno::$variant,)+];

            /// The positive number.
            pub const fn number(self) -> i32 { self as i32 }

            /// The symbol, such as `ENOENT`.
            pub const fn name(self) -> &'static str {
                match self { $(Errno::$variant => $name,)+ }
            }

            /// What it means, in words.
            pub const fn meaning(self) -> &'static str {
                match self { $(Errno::$variant => $text,)+ }
            }

            /// The error with this positive number, if maps know it.
            pub const fn from_number(number: i32) -> Option<Errno> {
                match number { $($number => Some(Errno::$variant),)+ _ => None }
            }
        }
    };
}

errnos! {
    Perm = 1, "EPERM", "operation not permitted";
    NoEnt = 2, "ENOENT", "no such element";
    TooBig = 7, "E2BIG", "too big, or the map is full";
    BadF = 9, "EBADF", "not a valid handle";
    Again = 11, "EAGAIN", "no room or no data now";
    NoMem = 12, "ENOMEM", "out of memory";
    Fault = 14, "EFAULT", "bad address";
    Busy = 16, "EBUSY", "busy";
    Exist = 17, "EEXIST", "the element exists";
    NoDev = 19, "ENODEV", "no such device or CPU";
    Inval = 22, "EINVAL", "invalid argument";
    NoSpc = 28, "ENOSPC", "no space left";
    Range = 34, "ERANGE", "out of range";
    Deadlk = 35, "EDEADLK", "would deadlock";
    Overflow = 75, "EOVERFLOW", "value too large";
    OpNotSupp = 95, "EOPNOTSUPP", "operation not supported by this map type";
    NotSupp = 524, "ENOTSUPP", "operation not supported";
}

impl Errno {
    /// What a helper leaves in R0: the number, negated.
    pub const fn ret(self) -> i64 {
        -(self as i64)
    }
}

impl core::fmt::Display for Errno {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} ({})", self.name(), self.meaning())
    }
}

impl core::error::Error for Errno {}
