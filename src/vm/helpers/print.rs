//! Printing helpers: `bpf_trace_printk`, `bpf_trace_vprintk`, `bpf_snprintf`, `bpf_seq_*`.

use super::{EINVAL, Ret};
use crate::vm::run::Run;
use crate::vm::trap::{AccessKind, Trap};

/// The most arguments (Linux `MAX_BPRINTF_VARARGS`).
const MAX_ARGS: u64 = 12;

/// The most bytes of one line (Linux `MAX_BPRINTF_BUF`).
const MAX_LINE: usize = 1024;

/// Arguments in memory, or the error for a bad number of them.
fn arguments(run: &mut Run<'_>, data: u64, len: u64) -> Result<Result<Vec<u64>, u64>, Trap> {
    let len = len as u32 as u64;
    if !len.is_multiple_of(8) || len > MAX_ARGS * 8 || (len != 0 && data == 0) {
        return Ok(Err(EINVAL));
    }
    let (words, _) = run.bytes(data, len, 0)?.as_chunks::<8>();
    Ok(Ok(words.iter().map(|&w| u64::from_ne_bytes(w)).collect()))
}

/// A format with its size: it must hold a null byte, which ends it.
fn sized_format(run: &mut Run<'_>, format: u64, size: u64) -> Result<Result<Vec<u8>, u64>, Trap> {
    let bytes = run.bytes(format, size as u32 as u64, 0)?;
    let end = bytes.iter().position(|&b| b == 0);
    Ok(end.map(|end| bytes[..end].to_vec()).ok_or(EINVAL))
}

/// Formats and hands to the sink; the length, or the error.
fn trace(run: &mut Run<'_>, format: Result<Vec<u8>, u64>, args: Result<Vec<u64>, u64>) -> Ret {
    let text = args.and_then(|args| super::format::format(run, &format?, &args));
    match text {
        Ok(text) => {
            if let Some(sink) = &run.engine.config().trace {
                sink.trace(&run.prog().name, &text[..text.len().min(MAX_LINE - 1)]);
            }
            Ok(text.len() as u64)
        }
        Err(error) => Ok(error),
    }
}

/// `bpf_trace_printk(fmt, fmt_size, …)`: up to three arguments.
pub(super) fn trace_printk(run: &mut Run<'_>, [format, size, args @ ..]: [u64; 5]) -> Ret {
    let format = sized_format(run, format, size)?;
    trace(run, format, Ok(args.to_vec()))
}

/// `bpf_trace_vprintk(fmt, fmt_size, data, data_len)`.
pub(super) fn trace_vprintk(run: &mut Run<'_>, [format, size, data, len, _]: [u64; 5]) -> Ret {
    let args = arguments(run, data, len)?;
    let format = sized_format(run, format, size)?;
    trace(run, format, args)
}

/// `bpf_snprintf(str, str_size, fmt, data, data_len)`: the length with the null byte, cut or not.
pub(super) fn snprintf(run: &mut Run<'_>, [out, size, format, data, len]: [u64; 5]) -> Ret {
    let args = arguments(run, data, len)?;
    let Some(bytes) = run.string(format, 1 << 16) else {
        return Err(run.missed(format, 1, AccessKind::HelperRead));
    };
    let text = match args.and_then(|args| super::format::format(run, &bytes, &args)) {
        Ok(text) => text,
        Err(error) => return Ok(error),
    };
    let size = size as u32 as usize;
    if size > 0 {
        let mut shown = text[..text.len().min(size - 1)].to_vec();
        shown.push(0);
        run.write_bytes(out, &shown)?;
    }
    Ok(text.len() as u64 + 1)
}

/// `bpf_seq_printf(seq, fmt, fmt_size, data, data_len)`.
pub(super) fn seq_printf(run: &mut Run<'_>, [_, format, size, data, len]: [u64; 5]) -> Ret {
    let args = arguments(run, data, len)?;
    let format = sized_format(run, format, size)?;
    let text = args.and_then(|args| super::format::format(run, &format?, &args));
    Ok(match text {
        Ok(text) => {
            if let Some(sink) = &run.engine.config().trace {
                sink.seq(&run.prog().name, &text);
            }
            0
        }
        Err(error) => error,
    })
}

/// `bpf_seq_write(seq, data, len)`.
pub(super) fn seq_write(run: &mut Run<'_>, [_, data, len, ..]: [u64; 5]) -> Ret {
    let bytes = run.copy(data, len as u32 as u64)?;
    if let Some(sink) = &run.engine.config().trace {
        sink.seq(&run.prog().name, &bytes);
    }
    Ok(0)
}
