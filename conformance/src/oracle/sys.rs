//! bpf(2): the system call and the few commands that are asked here. Nothing is attached or pinned.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Commands of bpf(2).
#[derive(Clone, Copy)]
#[repr(i32)]
pub(super) enum Cmd {
    MapCreate = 0,
    MapUpdate = 2,
    ProgLoad = 5,
    ProgTestRun = 10,
    BtfLoad = 18,
    MapFreeze = 22,
}

/// The argument of bpf(2): bytes, set by offset (uapi `union bpf_attr`).
pub(super) struct Attr([u8; 168]);

impl Attr {
    pub(super) fn new() -> Attr {
        Attr([0; 168])
    }

    pub(super) fn u32(&mut self, at: usize, value: u32) -> &mut Attr {
        self.0[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        self
    }

    pub(super) fn u64(&mut self, at: usize, value: u64) -> &mut Attr {
        self.0[at..at + 8].copy_from_slice(&value.to_ne_bytes());
        self
    }

    /// The address of bytes that outlive the call.
    pub(super) fn bytes(&mut self, at: usize, bytes: &[u8]) -> &mut Attr {
        self.u64(at, bytes.as_ptr() as u64)
    }

    /// A name of at most fifteen characters that the kernel allows.
    pub(super) fn name(&mut self, at: usize, name: &str) -> &mut Attr {
        let valid = |c: char| if c.is_ascii_alphanumeric() || "_.".contains(c) { c as u8 } else { b'_' };
        for (to, from) in self.0[at..at + 15].iter_mut().zip(name.chars().map(valid)) {
            *to = from;
        }
        self
    }

    pub(super) fn get_u32(&self, at: usize) -> u32 {
        u32::from_ne_bytes([self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]])
    }

    /// Asks the kernel.
    pub(super) fn call(&mut self, cmd: Cmd) -> io::Result<i64> {
        // SAFETY: the attribute is a live buffer of the size given, and every address in it is that
        // of a buffer that the caller holds for the duration of the call, with its true length.
        let result = unsafe { libc::syscall(libc::SYS_bpf, cmd as i32, self.0.as_mut_ptr(), self.0.len()) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
    }

    /// Asks for something that comes as a new descriptor.
    pub(super) fn open(&mut self, cmd: Cmd) -> io::Result<OwnedFd> {
        let fd = self.call(cmd)?;
        // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
        Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
    }
}

/// The descriptor as the system call takes it.
pub(super) fn number(fd: &OwnedFd) -> u32 {
    fd.as_raw_fd() as u32
}
