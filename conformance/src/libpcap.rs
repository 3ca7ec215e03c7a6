//! libpcap as an oracle for filters: what it compiles an expression to, and what a program says of a
//! packet. The library is loaded at run time, and its absence is a reason to skip.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::io::Write;
use std::marker::PhantomData;
use std::ptr::NonNull;

use oxbpf::isa::cbpf::SockFilter;

// The functions, as pcap/pcap.h declares them.
type Compile = unsafe extern "C" fn(*mut c_void, *mut Program, *const c_char, c_int, c_uint) -> c_int;
type Free = unsafe extern "C" fn(*mut Program);
type OpenDead = unsafe extern "C" fn(c_int, c_int) -> *mut c_void;
type OpenOffline = unsafe extern "C" fn(*const c_char, *mut c_char) -> *mut c_void;
type Close = unsafe extern "C" fn(*mut c_void);
type ErrorText = unsafe extern "C" fn(*mut c_void) -> *mut c_char;
type Run = unsafe extern "C" fn(*const Program, *const PacketHeader, *const u8) -> c_int;
type RunBare = unsafe extern "C" fn(*const Insn, *const u8, c_uint, c_uint) -> c_uint;
type Version = unsafe extern "C" fn() -> *const c_char;

/// libpcap, loaded.
pub struct Libpcap {
    compile: Compile,
    free: Free,
    open_dead: OpenDead,
    open_offline: OpenOffline,
    close: Close,
    error: ErrorText,
    filter: Run,
    bare: RunBare,
    version: Version,
}

/// `struct bpf_program`.
#[repr(C)]
struct Program {
    len: c_uint,
    insns: *mut Insn,
}

/// `struct bpf_insn`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Insn {
    code: u16,
    jt: u8,
    jf: u8,
    k: u32,
}

/// `struct pcap_pkthdr`.
#[repr(C)]
struct PacketHeader {
    time: libc::timeval,
    captured: u32,
    length: u32,
}

/// A `pcap_t`, for which expressions are compiled.
pub struct Handle<'a> {
    library: &'a Libpcap,
    handle: NonNull<c_void>,
    _not_shared: PhantomData<*mut ()>,
}

/// What stands for "the mask is not known".
pub const NETMASK_UNKNOWN: u32 = u32::MAX;

impl Libpcap {
    /// Loads the library; the error says why that is not possible.
    pub fn load() -> Result<Self, String> {
        // SAFETY: the library's initialisers have no requirements, and the name is a C string.
        let library = unsafe { libc::dlopen(c"libpcap.so.0.8".as_ptr(), libc::RTLD_NOW) };
        if library.is_null() {
            return Err("libpcap.so.0.8 is not installed".into());
        }
        let symbol = |name: &CStr| {
            // SAFETY: the library stays loaded for good, and the name is a C string.
            let symbol = unsafe { libc::dlsym(library, name.as_ptr()) };
            if symbol.is_null() {
                Err(format!("libpcap has no {}", name.to_string_lossy()))
            } else {
                Ok(symbol)
            }
        };
        // SAFETY: each type is that of the function's declaration in pcap/pcap.h.
        unsafe {
            use std::mem::transmute as cast;
            Ok(Self {
                compile: cast::<*mut c_void, Compile>(symbol(c"pcap_compile")?),
                free: cast::<*mut c_void, Free>(symbol(c"pcap_freecode")?),
                open_dead: cast::<*mut c_void, OpenDead>(symbol(c"pcap_open_dead")?),
                open_offline: cast::<*mut c_void, OpenOffline>(symbol(c"pcap_open_offline")?),
                close: cast::<*mut c_void, Close>(symbol(c"pcap_close")?),
                error: cast::<*mut c_void, ErrorText>(symbol(c"pcap_geterr")?),
                filter: cast::<*mut c_void, Run>(symbol(c"pcap_offline_filter")?),
                bare: cast::<*mut c_void, RunBare>(symbol(c"bpf_filter")?),
                version: cast::<*mut c_void, Version>(symbol(c"pcap_lib_version")?),
            })
        }
    }

    /// The version, in the library's words.
    pub fn version(&self) -> String {
        // SAFETY: the library returns a C string that lives as long as itself.
        unsafe { CStr::from_ptr((self.version)()) }.to_string_lossy().into_owned()
    }

    /// A handle like that of a live capture, except for VLAN tags.
    pub fn dead(&self, link: u32, snaplen: u32) -> Option<Handle<'_>> {
        // SAFETY: any numbers are allowed.
        let handle = unsafe { (self.open_dead)(link as c_int, snaplen as c_int) };
        Some(Handle { library: self, handle: NonNull::new(handle)?, _not_shared: PhantomData })
    }

    /// A handle like that of a capture file in little-endian order without packets, or big-endian.
    pub fn file(&self, link: u32, snaplen: u32, big_endian: bool) -> Option<Handle<'_>> {
        let words = [0xa1b2_c3d4u32, 4 << 16 | 2, 0, 0, snaplen, link];
        let mut header = Vec::new();
        for (i, word) in words.into_iter().enumerate() {
            header.extend(match (i, big_endian) {
                // Two numbers of 16 bits.
                (1, true) => [0, 2, 0, 4],
                (1, false) => [2, 0, 4, 0],
                (_, true) => word.to_be_bytes(),
                (_, false) => word.to_le_bytes(),
            });
        }
        let mut file = tempfile(&header)?;
        let path = CString::new(std::mem::take(&mut file)).ok()?;
        let mut message = [0 as c_char; 256];
        // SAFETY: the path is a C string, and the buffer has the size PCAP_ERRBUF_SIZE.
        let handle = unsafe { (self.open_offline)(path.as_ptr(), message.as_mut_ptr()) };
        let _ = std::fs::remove_file(path.to_str().ok()?);
        Some(Handle { library: self, handle: NonNull::new(handle)?, _not_shared: PhantomData })
    }

    /// What `pcap_offline_filter` says of the start `data` of a packet of `length` bytes.
    pub fn run(&self, program: &[SockFilter], data: &[u8], length: u32) -> u32 {
        let mut insns: Vec<Insn> =
            program.iter().map(|&SockFilter { code, jt, jf, k }| Insn { code, jt, jf, k }).collect();
        let program = Program { len: insns.len() as c_uint, insns: insns.as_mut_ptr() };
        let time = libc::timeval { tv_sec: 0, tv_usec: 0 };
        let header = PacketHeader { time, captured: data.len() as u32, length };
        // SAFETY: the program and the packet have the lengths stated, and the library changes neither.
        // The program is one that the library compiled or this project checked by the library's rules.
        unsafe { (self.filter)(&program, &header, data.as_ptr()) as u32 }
    }
}

/// A program as the library takes it.
pub struct Prepared<'a> {
    library: &'a Libpcap,
    insns: Vec<Insn>,
}

impl Libpcap {
    /// A program that the library compiled, or that was checked by its rules.
    pub fn prepare(&self, program: &[SockFilter]) -> Prepared<'_> {
        let insns = program.iter().map(|&SockFilter { code, jt, jf, k }| Insn { code, jt, jf, k }).collect();
        Prepared { library: self, insns }
    }
}

impl Prepared<'_> {
    /// What `bpf_filter` says of the start `data` of a packet of `length` bytes.
    #[inline]
    pub fn run(&self, data: &[u8], length: u32) -> u32 {
        // SAFETY: the program ends in returns by the library's rules, and the packet has this length.
        unsafe { (self.library.bare)(self.insns.as_ptr(), data.as_ptr(), length, data.len() as u32) }
    }
}

/// Writes a file of its own and returns its path.
fn tempfile(content: &[u8]) -> Option<String> {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("oxbpf-{}-{}.pcap", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(name);
    std::fs::File::create_new(&path).ok()?.write_all(content).ok()?;
    path.into_os_string().into_string().ok()
}

impl Handle<'_> {
    /// Compiles an expression; the error is the library's message.
    pub fn compile(&self, text: &str, optimize: bool, netmask: u32) -> Result<Vec<SockFilter>, String> {
        let text = CString::new(text).map_err(|_| "a zero byte in the text".to_owned())?;
        let mut program = Program { len: 0, insns: std::ptr::null_mut() };
        let handle = self.handle.as_ptr();
        // SAFETY: the handle is open, and the library fills in the program when it succeeds.
        let status =
            unsafe { (self.library.compile)(handle, &mut program, text.as_ptr(), optimize.into(), netmask) };
        if status != 0 {
            // SAFETY: the handle is open; its message is a C string.
            let message = unsafe { CStr::from_ptr((self.library.error)(handle)) };
            return Err(message.to_string_lossy().into_owned());
        }
        // SAFETY: a compiled program has `len` instructions, until it is freed.
        let insns = unsafe { std::slice::from_raw_parts(program.insns, program.len as usize) };
        let copy = insns.iter().map(|i| SockFilter::new(i.code, i.jt, i.jf, i.k)).collect();
        // SAFETY: the library has made this program, and it is not used after this.
        unsafe { (self.library.free)(&mut program) };
        Ok(copy)
    }
}

impl Drop for Handle<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle is open, and this is its last use.
        unsafe { (self.library.close)(self.handle.as_ptr()) }
    }
}
