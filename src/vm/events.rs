//! What programs tell the host while they run: traced text.
//!
//! Records of ring buffers and perf buffers are read from their maps.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Takes the text of `bpf_trace_printk`, `bpf_trace_vprintk` and of iterator programs.
pub trait TraceSink: Send + Sync {
    /// One call of a tracing helper; the bytes need not be UTF-8.
    fn trace(&self, program: &str, text: &[u8]);

    /// Output of `bpf_seq_printf` and `bpf_seq_write`.
    fn seq(&self, program: &str, bytes: &[u8]) {
        self.trace(program, bytes);
    }
}

/// Keeps the newest lines up to a number.
#[derive(Debug)]
pub struct TraceBuffer {
    lines: Mutex<VecDeque<String>>,
    most: usize,
}

impl TraceBuffer {
    /// A buffer for at most so many lines; older ones go first.
    pub fn new(most: usize) -> TraceBuffer {
        TraceBuffer { lines: Mutex::default(), most: most.max(1) }
    }

    /// Takes the lines out.
    pub fn take(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }
}

impl TraceSink for TraceBuffer {
    fn trace(&self, _program: &str, text: &[u8]) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == self.most {
            lines.pop_front();
        }
        lines.push_back(String::from_utf8_lossy(text).into_owned());
    }
}
