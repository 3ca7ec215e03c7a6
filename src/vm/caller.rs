//! Functions of the host: what they see of the run that calls them, and how types become registers.

use super::maps::Map;
use super::run::Run;
use super::task::Task;
use super::trap::{AccessKind, Trap};
use super::{Engine, Packet};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// The run that called a function of the host.
///
/// Memory is always held against the run's regions, whatever mode the program runs in: what a
/// program passes to a host function is a number like any other.
#[repr(transparent)]
pub struct Caller<'a, T> {
    run: Run<'a>,
    state: PhantomData<fn(T)>,
}

impl<T> fmt::Debug for Caller<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("program", &self.run.prog().name).finish_non_exhaustive()
    }
}

/// A function of the host without its types.
pub(crate) type HostFn = dyn Fn(&mut Run<'_>, [u64; 5]) -> Result<u64, Trap> + Send + Sync;

impl<'a, T: 'static> Caller<'a, T> {
    fn of<'r>(run: &'r mut Run<'a>) -> &'r mut Caller<'a, T> {
        let run: *mut Run<'a> = run;
        // SAFETY: `Caller` is a transparent wrapper of `Run`, and the borrow is handed on.
        unsafe { &mut *run.cast::<Caller<'a, T>>() }
    }

    /// The host's state for this run.
    pub fn data(&self) -> &T {
        self.run.data.downcast_ref().expect("a linker of T makes instances that run on a T")
    }

    /// The same, to be changed.
    pub fn data_mut(&mut self) -> &mut T {
        self.run.data.downcast_mut().expect("a linker of T makes instances that run on a T")
    }

    pub fn engine(&self) -> &Engine {
        self.run.engine
    }

    /// The name of the calling program.
    pub fn program(&self) -> &str {
        &self.run.prog().name
    }

    /// The current task.
    pub fn task(&self) -> &Task {
        self.run.task()
    }

    /// The CPU the run counts as running on.
    pub fn cpu(&self) -> u32 {
        self.run.cpu()
    }

    /// The packet, if the run has one. Changing its length through this is not seen by the program
    /// until the next helper moves it.
    pub fn packet(&self) -> Option<&Packet> {
        self.run.input.packet.as_deref()
    }

    /// Reads memory of the program.
    ///
    /// # Errors
    /// When the bytes do not all lie in one region that the program may read.
    pub fn read(&mut self, addr: u64, out: &mut [u8]) -> Result<(), Trap> {
        out.copy_from_slice(self.run.bytes_held(addr, out.len() as u64)?);
        Ok(())
    }

    /// Reads `len` bytes of memory of the program, as [`Caller::read`].
    ///
    /// # Errors
    /// As for [`Caller::read`].
    pub fn read_vec(&mut self, addr: u64, len: u64) -> Result<Vec<u8>, Trap> {
        self.run.bytes_held(addr, len).map(<[u8]>::to_vec)
    }

    /// Reads a string up to its null byte, or `max` bytes.
    ///
    /// # Errors
    /// When memory ends before the string does.
    pub fn read_str(&mut self, addr: u64, max: usize) -> Result<Vec<u8>, Trap> {
        match self.run.string(addr, max) {
            Some(bytes) => Ok(bytes),
            None => Err(self.run.missed(addr, 1, AccessKind::HelperRead)),
        }
    }

    /// Writes memory of the program.
    ///
    /// # Errors
    /// When the bytes do not all lie in one region that the program may write.
    pub fn write(&mut self, addr: u64, bytes: &[u8]) -> Result<(), Trap> {
        self.run.write_held(addr, bytes)
    }

    /// The map that the program passed.
    ///
    /// # Errors
    /// When the value is no map.
    pub fn map(&self, handle: u64) -> Result<Arc<dyn Map>, Trap> {
        self.run.map_arc(handle).cloned()
    }

    /// Calls a function of the program that it passed the address of.
    ///
    /// # Errors
    /// When it is none, when there are too many frames, and whatever the function itself traps with.
    pub fn call(&mut self, function: u64, args: [u64; 5]) -> Result<u64, Trap> {
        self.run.call_function(function, args)
    }
}

/// A type that an argument register becomes: integers by truncation, as C passes them.
pub trait FromReg: Sized {
    fn from_reg(reg: u64) -> Self;
}

/// A type that becomes R0: integers by sign or zero extension.
pub trait IntoReg {
    fn into_reg(self) -> u64;
}

macro_rules! registers {
    ($($t:ty)+) => { $(
        impl FromReg for $t {
            fn from_reg(reg: u64) -> $t { reg as $t }
        }
        impl IntoReg for $t {
            fn into_reg(self) -> u64 { self as u64 }
        }
    )+ };
}
registers!(u8 u16 u32 u64 i8 i16 i32 i64);

impl FromReg for bool {
    fn from_reg(reg: u64) -> bool {
        reg as u8 != 0
    }
}

impl IntoReg for bool {
    fn into_reg(self) -> u64 {
        self as u64
    }
}

impl IntoReg for () {
    fn into_reg(self) -> u64 {
        0
    }
}

/// What a function of the host may give.
pub trait IntoRet {
    fn into_ret(self) -> Result<u64, Trap>;
}

impl<R: IntoReg> IntoRet for R {
    fn into_ret(self) -> Result<u64, Trap> {
        Ok(self.into_reg())
    }
}

impl<R: IntoReg> IntoRet for Result<R, Trap> {
    fn into_ret(self) -> Result<u64, Trap> {
        self.map(IntoReg::into_reg)
    }
}

/// A function of the host that takes `&mut Caller<'_, T>` and `A`, up to five integers.
pub trait IntoFunc<T, A>: Send + Sync + 'static {
    /// The function without its types.
    fn into_func(self) -> Erased;
}

/// A function of the host without its types.
#[derive(Clone)]
pub struct Erased(pub(crate) Arc<HostFn>);

impl fmt::Debug for Erased {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Erased").finish_non_exhaustive()
    }
}

macro_rules! into_func {
    ($($arg:ident $index:tt),*) => {
        impl<T, F, R, $($arg),*> IntoFunc<T, ($($arg,)*)> for F
        where
            T: 'static,
            F: for<'a, 'b> Fn(&'a mut Caller<'b, T>, $($arg),*) -> R + Send + Sync + 'static,
            R: IntoRet,
            $($arg: FromReg,)*
        {
            #[allow(unused_variables)]
            fn into_func(self) -> Erased {
                Erased(Arc::new(move |run: &mut Run<'_>, regs: [u64; 5]| {
                    self(Caller::of(run), $($arg::from_reg(regs[$index])),*).into_ret()
                }))
            }
        }
    };
}
into_func!();
into_func!(A 0);
into_func!(A 0, B 1);
into_func!(A 0, B 1, C 2);
into_func!(A 0, B 1, C 2, D 3);
into_func!(A 0, B 1, C 2, D 3, E 4);
