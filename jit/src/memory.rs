//! Memory for machine code: written first, executable afterwards, never both, and given back on drop.
//!
//! One program has one mapping, made when the size of its code is known: writable until all functions
//! are there, and executable from then on. The page before and the one after stay without access, and
//! what is left of the last page traps, so that running past the end is a fault and not somebody else's
//! code.
//!
//! The system takes longer to make a mapping than small programs take to be written into it. So a few
//! small mappings outlive their programs: no longer executable, and writable for the next.

use cranelift_jit::{BranchProtection, JITMemoryKind, JITMemoryProvider};
use cranelift_module::{ModuleError, ModuleResult};
use std::io;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A mapping with code.
#[derive(Debug)]
pub(crate) struct CodeMemory {
    base: NonNull<u8>,
    /// Bytes reserved, guards included.
    len: usize,
    /// Bytes handed out, from the first page after the guard.
    used: usize,
    /// Where in a line the next function begins, if that was said.
    phase: Option<usize>,
    sealed: bool,
}

// SAFETY: the mapping belongs to the value; after sealing it is only read and executed.
unsafe impl Send for CodeMemory {}
// SAFETY: as above.
unsafe impl Sync for CodeMemory {}

/// Mappings of so many bytes may outlive their programs, and so many do.
const SMALL: usize = 24 << 10;
const SPARES: usize = 8;

/// Mappings without a program; all are writable.
static SPARE: Mutex<Vec<CodeMemory>> = Mutex::new(Vec::new());

fn spare() -> MutexGuard<'static, Vec<CodeMemory>> {
    SPARE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Phases are counted from multiples of this.
const LINE: usize = 64;

/// A byte of instructions that trap: what is all zeros is none on the other machines.
pub(crate) const TRAP: u8 = if cfg!(target_arch = "x86_64") { 0xcc } else { 0 };

fn page_size() -> usize {
    // SAFETY: asks for a constant of the system.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

impl CodeMemory {
    /// Makes room for `size` bytes of code.
    fn reserve(size: usize) -> io::Result<CodeMemory> {
        let page = page_size();
        let len = size.checked_next_multiple_of(page).and_then(|n| n.checked_add(2 * page));
        let len = len.ok_or(io::ErrorKind::OutOfMemory)?;
        if let Some(memory) = CodeMemory::reuse(len) {
            return Ok(memory);
        }
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new anonymous mapping touches no memory of anybody.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), len, libc::PROT_NONE, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        let memory = CodeMemory { base, len, used: 0, phase: None, sealed: false };
        memory.protect(0, memory.room(), libc::PROT_READ | libc::PROT_WRITE)?;
        Ok(memory)
    }

    /// A mapping of this length that a program has left.
    fn reuse(len: usize) -> Option<CodeMemory> {
        let mut spare = spare();
        let at = spare.iter().position(|s| s.len == len)?;
        Some(spare.swap_remove(at))
    }

    /// Leaves the mapping for the next program; whether there was room.
    fn leave(&mut self) -> bool {
        let mut spare = spare();
        let stays = self.len <= SMALL
            && spare.len() < SPARES
            && self.protect(0, self.room(), libc::PROT_READ | libc::PROT_WRITE).is_ok();
        if stays {
            spare.push(CodeMemory { base: self.base, len: self.len, used: 0, phase: None, sealed: false });
        }
        stays
    }

    /// Bytes between the guards.
    fn room(&self) -> usize {
        self.len - 2 * page_size()
    }

    fn protect(&self, from: usize, len: usize, protection: libc::c_int) -> io::Result<()> {
        let at = self.base.as_ptr().wrapping_add(page_size() + from);
        // SAFETY: the range lies inside the mapping, which nobody else uses.
        match unsafe { libc::mprotect(at.cast(), len, protection) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    fn allocate(&mut self, size: usize, align: usize) -> io::Result<*mut u8> {
        let start = match self.phase.take() {
            Some(phase) => {
                let line = self.used.next_multiple_of(LINE) + phase;
                if line >= self.used + LINE { line - LINE } else { line }
            }
            None => self.used.next_multiple_of(align.max(1)),
        };
        let end = start.checked_add(size).filter(|&e| e <= self.room());
        let end = end.ok_or(io::ErrorKind::OutOfMemory)?;
        if self.sealed {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.used = end;
        Ok(self.base.as_ptr().wrapping_add(page_size() + start))
    }

    /// Makes what was written executable, and what was not without access.
    fn seal(&mut self) -> io::Result<()> {
        let page = page_size();
        self.sealed = true;
        let code = self.used.next_multiple_of(page);
        if code > 0 {
            let start = self.base.as_ptr().wrapping_add(page);
            let rest = start.wrapping_add(self.used);
            // SAFETY: nothing was handed out behind `used`, and the page is still writable.
            unsafe { rest.write_bytes(TRAP, code - self.used) };
            clear_cache(start, code);
            self.protect(0, code, libc::PROT_READ | libc::PROT_EXEC)?;
        }
        if self.room() > code {
            self.protect(code, self.room() - code, libc::PROT_NONE)?;
        }
        Ok(())
    }

    /// The code.
    pub fn bytes(&self) -> &[u8] {
        if !self.sealed {
            return &[];
        }
        let start = self.base.as_ptr().wrapping_add(page_size());
        // SAFETY: sealed code is readable for as long as the mapping lives, and never written again.
        unsafe { std::slice::from_raw_parts(start, self.used) }
    }
}

/// Lets the processor see new code. On x86 it does by itself.
fn clear_cache(start: *mut u8, len: usize) {
    #[cfg(target_arch = "aarch64")]
    {
        let line = 16;
        for at in (0..len).step_by(line) {
            // SAFETY: cleans and invalidates cache lines of memory that is mapped.
            unsafe {
                let at = start.wrapping_add(at);
                std::arch::asm!("dc cvau, {0}", "dsb ish", "ic ivau, {0}", in(reg) at);
            }
        }
        // SAFETY: barriers have no operands.
        unsafe { std::arch::asm!("dsb ish", "isb") };
    }
    #[cfg(not(target_arch = "aarch64"))]
    let _ = (start, len);
}

impl Drop for CodeMemory {
    fn drop(&mut self) {
        if self.leave() {
            return;
        }
        // SAFETY: the mapping is the value's own, and no code in it runs any more: whoever calls code
        // keeps the value alive.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.len) };
    }
}

/// Where a module writes its functions; the mapping outlives the module.
#[derive(Clone, Default, Debug)]
pub(crate) struct Provider(Arc<Mutex<Option<CodeMemory>>>);

impl Provider {
    /// Makes room for `size` bytes.
    pub fn reserve(&self, size: usize) -> io::Result<()> {
        let memory = CodeMemory::reserve(size)?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(memory);
        Ok(())
    }

    /// Lets the next function begin so many bytes, less than 64, behind a multiple of 64. It is for
    /// whoever says so to see that its contents are aligned well enough.
    pub fn begin_at(&self, phase: usize) {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(memory) = memory.as_mut() {
            memory.phase = Some(phase % LINE);
        }
    }

    /// Takes the mapping.
    pub fn take(&self) -> Option<CodeMemory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl JITMemoryProvider for Provider {
    fn allocate(&mut self, size: usize, align: u64, kind: JITMemoryKind) -> io::Result<*mut u8> {
        if !matches!(kind, JITMemoryKind::Executable) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memory.as_mut().ok_or(io::ErrorKind::NotFound)?.allocate(size, align as usize)
    }

    unsafe fn free_memory(&mut self) {
        self.take();
    }

    fn finalize(&mut self, _: BranchProtection) -> ModuleResult<()> {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match memory.as_mut() {
            Some(memory) => memory.seal().map_err(|err| ModuleError::Allocation { err }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The protection of the page at an address, as the system tells it.
    #[cfg(target_os = "linux")]
    fn protection(at: usize) -> String {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let of = |line: &str| {
            let (range, rest) = line.split_once(' ')?;
            let (start, end) = range.split_once('-')?;
            let number = |text| usize::from_str_radix(text, 16).unwrap();
            (number(start)..number(end)).contains(&at).then(|| rest[..3].to_owned())
        };
        maps.lines().find_map(of).unwrap_or_default()
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_a_program_leaves_is_not_executable_and_what_follows_it_traps() {
        for byte in [0x90, 0x91] {
            let mut m = CodeMemory::reserve(5000).unwrap();
            let code = m.allocate(5000, 16).unwrap();
            // SAFETY: so many bytes were just handed out.
            unsafe { code.write_bytes(byte, 5000) };
            assert_eq!(protection(code.addr()), "rw-");
            m.seal().unwrap();
            assert_eq!(protection(code.addr()), "r-x");
            assert_eq!((m.bytes()[0], m.bytes().len()), (byte, 5000));
            // SAFETY: the byte lies in the second page, which is readable.
            assert_eq!(unsafe { code.add(8191).read() }, TRAP);
            assert_eq!(protection(code.addr() + 8192), "---");
            assert_eq!(protection(code.addr() - 1), "---");
            drop(m);
            assert!(!protection(code.addr()).contains('x'));
        }
    }

    #[test]
    fn memory_is_bounded_and_sealed_once() {
        let mut m = CodeMemory::reserve(100_000).unwrap();
        let first = m.allocate(10, 16).unwrap();
        // SAFETY: ten bytes were just handed out.
        unsafe { first.write_bytes(0xc3, 10) };
        let second = m.allocate(70_000, 16).unwrap();
        assert_eq!(second as usize - first as usize, 16);
        assert!(m.allocate(50_000, 16).is_err());
        m.seal().unwrap();
        assert_eq!((m.bytes().len(), m.bytes()[9]), (70_016, 0xc3));
        assert!(m.allocate(1, 1).is_err());
        assert!(CodeMemory::reserve(usize::MAX - 5).is_err());
    }
}
