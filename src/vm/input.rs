//! What a run is given: a context, a packet, memory, and the circumstances.

use super::context::{ContextLayout, PacketPointer, WIDE_WORDS};
use super::engine::Engine;
use super::task::Task;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Stops the runs that hold it, from any thread.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    pub fn new() -> Cancel {
        Cancel::default()
    }

    /// Makes every run that holds this stop with [`TrapKind::Cancelled`](super::TrapKind) soon.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A context: its bytes as the program sees them, and its layout.
#[derive(Debug)]
pub struct Context {
    layout: Arc<ContextLayout>,
    /// The structure, padded to whole words, and behind it the wide fields.
    words: Vec<u64>,
    /// Where among the words the wide fields begin.
    wide_at: usize,
}

impl Clone for Context {
    fn clone(&self) -> Context {
        Context { layout: self.layout.clone(), words: self.words.clone(), wide_at: self.wide_at }
    }

    /// Keeps the memory of `self` where it is, if it is large enough.
    fn clone_from(&mut self, other: &Context) {
        self.layout.clone_from(&other.layout);
        self.words.clone_from(&other.words);
        self.wide_at = other.wide_at;
    }
}

impl Context {
    /// A context of zeros.
    pub fn new(layout: impl Into<Arc<ContextLayout>>) -> Context {
        let layout = layout.into();
        let wide_at = layout.wide_base() as usize / 8;
        Context { layout, words: vec![0; wide_at + WIDE_WORDS], wide_at }
    }

    /// Plain memory as a context.
    pub fn from_bytes(bytes: &[u8]) -> Context {
        let mut context = Context::new(ContextLayout::plain(bytes.len() as u32));
        context.bytes_mut().copy_from_slice(bytes);
        context
    }

    pub fn layout(&self) -> &ContextLayout {
        &self.layout
    }

    /// The structure's bytes. Fields that are wider for the host are meaningless in them.
    pub fn bytes(&self) -> &[u8] {
        let all = self.words.as_ptr().cast::<u8>();
        // SAFETY: the words hold at least `size` bytes, and bytes have no invalid values.
        unsafe { std::slice::from_raw_parts(all, self.layout.size as usize) }
    }

    /// The same, to be changed.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let all = self.words.as_mut_ptr().cast::<u8>();
        // SAFETY: as for `bytes`.
        unsafe { std::slice::from_raw_parts_mut(all, self.layout.size as usize) }
    }

    /// Reads a 32-bit field; 0 outside the structure.
    pub fn u32_at(&self, offset: u32) -> u32 {
        let at = offset as usize;
        self.bytes().get(at..at + 4).map_or(0, |b| u32::from_ne_bytes([b[0], b[1], b[2], b[3]]))
    }

    /// Writes a 32-bit field; outside the structure nothing happens.
    pub fn set_u32(&mut self, offset: u32, value: u32) {
        let at = offset as usize;
        if let Some(b) = self.bytes_mut().get_mut(at..at + 4) {
            b.copy_from_slice(&value.to_ne_bytes());
        }
    }

    /// Where programs find it.
    pub(crate) fn address(&mut self) -> u64 {
        self.words.as_mut_ptr().expose_provenance() as u64
    }

    pub(crate) fn address_now(&self) -> u64 {
        self.words.as_ptr().addr() as u64
    }

    pub(crate) fn wide(&self, what: PacketPointer) -> u64 {
        self.words[self.wide_at + what.word()]
    }

    /// Puts the addresses of a packet, or of none, where programs find them, and its length.
    #[inline]
    pub(crate) fn show_packet(&mut self, packet: Option<&mut Packet>) {
        let len = packet.as_ref().map(|packet| packet.len() as u32);
        self.show_addresses(packet);
        if let (Some(offset), Some(len)) = (self.layout.len_field, len) {
            self.set_u32(offset, len);
        }
    }

    /// The same for contexts that have no field for the length.
    #[inline]
    pub(crate) fn show_addresses(&mut self, packet: Option<&mut Packet>) {
        let (meta, data, end) = packet.map_or((0, 0, 0), Packet::addresses);
        // SAFETY: a context is made with the wide words behind `wide_at`, and never gets fewer.
        let wide = unsafe { self.words.get_unchecked_mut(self.wide_at..self.wide_at + WIDE_WORDS) };
        wide[PacketPointer::Data.word()] = data;
        wide[PacketPointer::DataEnd.word()] = end;
        wide[PacketPointer::Meta.word()] = meta;
    }

    /// Where its layout lies: the same for contexts that share it.
    #[cfg(feature = "jit")]
    #[inline]
    pub(crate) fn layout_at(&self) -> usize {
        Arc::as_ptr(&self.layout).addr()
    }

    pub(crate) fn shared_layout(&self) -> &Arc<ContextLayout> {
        &self.layout
    }
}

/// A packet with room before and behind it.
#[derive(Debug)]
pub struct Packet {
    buffer: Vec<u8>,
    meta: usize,
    data: usize,
    end: usize,
    /// Bytes before the packet at first.
    room: usize,
    /// Where the link-layer and the network header begin.
    mac: usize,
    network: usize,
}

impl Clone for Packet {
    fn clone(&self) -> Packet {
        Packet { buffer: self.buffer.clone(), ..*self }
    }

    /// Keeps the memory of `self` where it is, if it is large enough.
    fn clone_from(&mut self, other: &Packet) {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clone_from(&other.buffer);
        *self = Packet { buffer, ..*other };
    }
}

/// Room before a packet (Linux `XDP_PACKET_HEADROOM`).
pub const HEADROOM: usize = 256;

/// The most metadata before a packet (Linux `xdp_metalen_invalid`).
const MAX_META: usize = 255;

impl Packet {
    /// A packet that begins with its link-layer header, with room of 256 bytes before and 320 behind.
    pub fn new(bytes: &[u8]) -> Packet {
        Packet::with_room(bytes, HEADROOM, 320)
    }

    /// A packet with this much room before and behind.
    pub fn with_room(bytes: &[u8], headroom: usize, tailroom: usize) -> Packet {
        let mut buffer = vec![0; headroom + bytes.len() + tailroom];
        buffer[headroom..headroom + bytes.len()].copy_from_slice(bytes);
        let end = headroom + bytes.len();
        let network = end.min(headroom + 14);
        Packet { buffer, meta: headroom, data: headroom, end, room: headroom, mac: headroom, network }
    }

    /// Takes other bytes, which begin with the link-layer header. The data begin at `data` of them, the
    /// network header at `network`. The buffer is kept when they fit.
    pub fn refill(&mut self, bytes: &[u8], data: usize, network: usize) {
        if self.buffer.len() < HEADROOM + bytes.len() {
            *self = Packet::with_room(bytes, HEADROOM, 320);
        }
        let end = HEADROOM + bytes.len();
        self.buffer[HEADROOM..end].copy_from_slice(bytes);
        (self.mac, self.end, self.room) = (HEADROOM, end, HEADROOM);
        self.data = end.min(HEADROOM + data);
        self.meta = self.data;
        self.network = end.min(HEADROOM + network);
    }

    /// The same packet seen from `offset` on, where its network header is: what programs see that
    /// run above the link layer.
    #[must_use]
    pub fn at_network_header(mut self, offset: usize) -> Packet {
        self.network = (self.mac + offset).min(self.end);
        (self.data, self.meta) = (self.network, self.network);
        self
    }

    /// The bytes from data to end.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.data..self.end]
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.data..self.end]
    }

    /// The metadata before the packet.
    pub fn metadata(&self) -> &[u8] {
        &self.buffer[self.meta..self.data]
    }

    pub fn len(&self) -> usize {
        self.end - self.data
    }

    pub fn is_empty(&self) -> bool {
        self.end == self.data
    }

    /// Offset of the network header from data.
    pub fn network_offset(&self) -> isize {
        self.network as isize - self.data as isize
    }

    /// Offset of the link-layer header from data.
    pub fn mac_offset(&self) -> isize {
        self.mac as isize - self.data as isize
    }

    /// Address and length of what programs may touch: metadata and packet.
    pub(crate) fn span(&mut self) -> (u64, u64) {
        let base = self.buffer.as_mut_ptr().expose_provenance() as u64;
        (base + self.meta as u64, (self.end - self.meta) as u64)
    }

    /// Addresses of the first byte and of the end.
    pub(crate) fn data_span(&self) -> (u64, u64) {
        let base = self.buffer.as_ptr().addr() as u64;
        (base + self.data as u64, base + self.end as u64)
    }

    /// Addresses of the metadata, of the first byte and of the end, for programs to use.
    #[inline]
    pub(crate) fn addresses(&mut self) -> (u64, u64, u64) {
        let base = self.buffer.as_mut_ptr().expose_provenance() as u64;
        (base + self.meta as u64, base + self.data as u64, base + self.end as u64)
    }

    /// Bytes of classic BPF's addressing: from data, or with large negative offsets from the
    /// network header or the link-layer header (Linux `SKF_NET_OFF`, `SKF_LL_OFF`).
    pub fn relative(&self, offset: i32, size: usize) -> Option<&[u8]> {
        const NETWORK: i32 = -0x10_0000;
        const LINK: i32 = -0x20_0000;
        let start = match offset {
            0.. => self.data.checked_add(offset as usize)?,
            NETWORK..0 => self.network + (offset - NETWORK) as usize,
            LINK..NETWORK => self.mac + (offset - LINK) as usize,
            _ => return None,
        };
        self.buffer[..self.end].get(start..start.checked_add(size)?)
    }

    /// Bytes at an offset from data, which may be below zero; not before the link-layer header.
    pub fn from_data(&self, offset: isize, size: usize) -> Option<&[u8]> {
        let start = self.data.checked_add_signed(offset).filter(|&s| s >= self.mac.min(self.data))?;
        self.buffer[..self.end].get(start..start.checked_add(size)?)
    }

    /// The lowest place for metadata and data: what is before belongs to the driver (Linux `struct
    /// xdp_frame`).
    const fn floor(&self) -> usize {
        if self.room >= 40 { 40 } else { 0 }
    }

    /// Whether the metadata would still begin inside the room, and not after the data.
    pub(crate) fn meta_in_room(&self, delta: i32) -> bool {
        let meta = self.meta.checked_add_signed(delta as isize);
        meta.is_some_and(|m| m >= self.floor() && m <= self.data)
    }

    /// Moves the start; `delta` below zero makes room at the front. Metadata goes with it.
    #[must_use]
    pub fn adjust_head(&mut self, delta: i32) -> bool {
        let meta_len = self.data - self.meta;
        let Some(data) = self.data.checked_add_signed(delta as isize) else { return false };
        if data < meta_len + self.floor() || data > self.end.saturating_sub(14) {
            return false;
        }
        self.buffer.copy_within(self.meta..self.data, data - meta_len);
        (self.data, self.meta) = (data, data - meta_len);
        (self.mac, self.network) = (data, self.end.min(data + 14));
        true
    }

    /// Moves the end, within the room behind; new bytes are zeros.
    #[must_use]
    pub fn adjust_tail(&mut self, delta: i32) -> bool {
        let Some(end) = self.end.checked_add_signed(delta as isize) else { return false };
        if end > self.buffer.len() || end < self.data + 14 {
            return false;
        }
        if end > self.end {
            self.buffer[self.end..end].fill(0);
        }
        self.end = end;
        true
    }

    /// Moves the start of the metadata, which is at most 255 bytes and a multiple of four.
    #[must_use]
    pub fn adjust_meta(&mut self, delta: i32) -> bool {
        let Some(meta) = self.meta.checked_add_signed(delta as isize) else { return false };
        if !self.meta_in_room(delta) {
            return false;
        }
        let len = self.data.checked_sub(meta);
        if !len.is_some_and(|l| l <= MAX_META && l % 4 == 0) {
            return false;
        }
        self.meta = meta;
        true
    }

    /// Makes the packet `len` bytes long, in new memory where need be; new bytes are zeros.
    pub fn resize(&mut self, len: usize) {
        let end = self.data + len;
        if end > self.buffer.len() {
            self.buffer.resize(end, 0);
        } else if end > self.end {
            self.buffer[self.end..end].fill(0);
        }
        self.end = end;
    }

    /// Puts `len` zeros at `offset` from data, or with `len` below zero takes bytes away there; what
    /// lies before moves. The room before grows where need be.
    #[must_use]
    pub fn splice(&mut self, offset: usize, len: isize) -> bool {
        if offset > self.len() {
            return false;
        }
        let count = len.unsigned_abs();
        if len < 0 {
            if offset + count > self.len() {
                return false;
            }
            let before = self.data..self.data + offset;
            self.buffer.copy_within(before, self.data + count);
            self.data += count;
        } else {
            if count > self.data {
                let more = count - self.data + HEADROOM;
                self.buffer.splice(0..0, std::iter::repeat_n(0, more));
                for at in [&mut self.meta, &mut self.data, &mut self.end, &mut self.mac, &mut self.network] {
                    *at += more;
                }
            }
            let before = self.data..self.data + offset;
            self.buffer.copy_within(before, self.data - count);
            self.data -= count;
            self.buffer[self.data + offset..self.data + offset + count].fill(0);
        }
        self.mac = self.mac.saturating_add_signed(-len).min(self.end);
        if self.network >= self.end || self.network.wrapping_sub(self.data) > self.len() {
            self.network = self.end.min(self.data + 14);
        }
        self.meta = self.data;
        true
    }
}

/// What R1 is.
#[derive(Debug, Default)]
pub(crate) enum Subject<'a> {
    #[default]
    None,
    Memory(&'a mut [u8]),
    Context(&'a mut Context),
}

/// Host memory that the program may touch by its real address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grant {
    pub start: u64,
    pub len: u64,
    pub writable: bool,
}

/// What a run is given.
#[derive(Debug, Default)]
pub struct Input<'a> {
    pub(crate) subject: Subject<'a>,
    pub(crate) packet: Option<&'a mut Packet>,
    pub(crate) args: [u64; 5],
    pub(crate) grants: Vec<Grant>,
    pub(crate) foreign: Vec<(u64, &'a [u8])>,
    pub(crate) cpu: u32,
    pub(crate) task: Option<&'a Task>,
    pub(crate) cancel: Option<&'a Cancel>,
    pub(crate) budget: Option<u64>,
    pub(crate) attach_cookie: u64,
    pub(crate) func_ip: u64,
    pub(crate) ret_value: i64,
}

impl<'a> Input<'a> {
    /// The CPU that a run counts as running on, below the engine's number.
    #[inline]
    pub(crate) fn cpu_of(&self, engine: &Engine) -> u32 {
        let cpus = engine.cpus();
        if self.cpu < cpus { self.cpu } else { self.cpu % cpus }
    }

    /// The current task.
    #[inline]
    pub(crate) fn task_of<'e>(&'e self, engine: &'e Engine) -> &'e Task {
        self.task.unwrap_or(&engine.config().task)
    }

    /// Nothing: every argument is zero.
    #[inline]
    pub fn none() -> Input<'a> {
        Input::default()
    }

    /// R1 is the address of `bytes`, R2 their number.
    #[inline]
    pub fn memory(bytes: &'a mut [u8]) -> Input<'a> {
        Input { subject: Subject::Memory(bytes), ..Input::default() }
    }

    /// R1 is the address of a context.
    #[inline]
    pub fn context(context: &'a mut Context) -> Input<'a> {
        Input { subject: Subject::Context(context), ..Input::default() }
    }

    /// The packet that the context speaks of.
    #[inline]
    #[must_use]
    pub fn packet(mut self, packet: &'a mut Packet) -> Input<'a> {
        self.packet = Some(packet);
        self
    }

    /// Sets argument `number`, 1 to 5, unless the subject sets it.
    #[must_use]
    pub fn arg(mut self, number: usize, value: u64) -> Input<'a> {
        if let Some(arg) = number.checked_sub(1).and_then(|i| self.args.get_mut(i)) {
            *arg = value;
        }
        self
    }

    /// Lets the program read these bytes at their real address.
    #[must_use]
    pub fn grant(mut self, bytes: &'a [u8]) -> Input<'a> {
        let Range { start, .. } = bytes.as_ptr_range();
        let start = start.expose_provenance() as u64;
        self.grants.push(Grant { start, len: bytes.len() as u64, writable: false });
        self
    }

    /// Lets the program read and write these bytes at their real address.
    #[must_use]
    pub fn grant_mut(mut self, bytes: &'a mut [u8]) -> Input<'a> {
        let len = bytes.len() as u64;
        let start = bytes.as_mut_ptr().expose_provenance() as u64;
        self.grants.push(Grant { start, len, writable: true });
        self
    }

    /// Lets probe-read helpers find `bytes` at `address`: memory of a recorded kernel or process,
    /// which programs never access directly.
    #[must_use]
    pub fn foreign(mut self, address: u64, bytes: &'a [u8]) -> Input<'a> {
        self.foreign.push((address, bytes));
        self
    }

    /// The CPU the run counts as running on, taken modulo the engine's number. Concurrent runs should
    /// have different ones, or they share per-CPU values.
    #[must_use]
    pub fn cpu(mut self, cpu: u32) -> Input<'a> {
        self.cpu = cpu;
        self
    }

    /// The current task, instead of the engine's.
    #[must_use]
    pub fn task(mut self, task: &'a Task) -> Input<'a> {
        self.task = Some(task);
        self
    }

    /// Lets the host stop the run.
    #[must_use]
    pub fn cancel(mut self, cancel: &'a Cancel) -> Input<'a> {
        self.cancel = Some(cancel);
        self
    }

    /// The most instructions, instead of the engine's.
    #[must_use]
    pub fn budget(mut self, insns: u64) -> Input<'a> {
        self.budget = Some(insns);
        self
    }

    /// What `bpf_get_attach_cookie` gives.
    #[must_use]
    pub fn attach_cookie(mut self, cookie: u64) -> Input<'a> {
        self.attach_cookie = cookie;
        self
    }

    /// What `bpf_get_func_ip` gives.
    #[must_use]
    pub fn func_ip(mut self, ip: u64) -> Input<'a> {
        self.func_ip = ip;
        self
    }

    /// What `bpf_get_retval` gives before the program sets it.
    #[must_use]
    pub fn ret_value(mut self, value: i64) -> Input<'a> {
        self.ret_value = value;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet() -> Packet {
        Packet::with_room(&(0..64).collect::<Vec<u8>>(), 32, 16)
    }

    #[test]
    fn head_tail_and_metadata_stay_in_their_room() {
        let mut p = packet();
        assert!(!p.adjust_head(-33) && !p.adjust_head(51) && !p.adjust_tail(17) && !p.adjust_tail(-51));
        assert!(p.adjust_head(-32) && p.len() == 96 && p.adjust_head(82) && p.len() == 14);
        assert_eq!(p.bytes()[0], 50);
        let mut p = packet();
        assert!(p.adjust_tail(16) && p.len() == 80 && p.bytes()[64..] == [0; 16]);
        assert!(!p.adjust_meta(-3) && !p.adjust_meta(4) && !p.adjust_meta(-36) && p.adjust_meta(-8));
        assert_eq!(p.metadata(), [0; 8]);
        assert!(!p.adjust_head(-25) && p.adjust_head(-24) && p.metadata().len() == 8);
    }

    #[test]
    fn negative_offsets_count_from_the_headers() {
        let p = packet().at_network_header(14);
        assert_eq!(p.relative(0, 2), Some(&[14, 15][..]));
        assert_eq!(p.relative(-0x10_0000 + 3, 1), Some(&[17][..]));
        assert_eq!(p.relative(-0x20_0000 + 12, 2), Some(&[12, 13][..]));
        assert_eq!(p.relative(49, 2), None);
        assert_eq!(p.relative(i32::MAX, 4), None);
        assert_eq!(p.relative(i32::MIN, 4), None);
        assert_eq!(p.relative(-4096, 4), None);
    }

    #[test]
    fn splicing_keeps_both_sides() {
        let mut p = packet();
        assert!(p.splice(14, 20) && p.len() == 84);
        assert_eq!((p.bytes()[13], p.bytes()[14], p.bytes()[33], p.bytes()[34]), (13, 0, 0, 14));
        assert!(p.splice(14, -20) && p.bytes() == (0..64).collect::<Vec<u8>>());
        assert!(p.splice(0, 200) && p.len() == 264 && p.bytes()[200..] == (0..64).collect::<Vec<u8>>());
        assert!(!p.splice(300, 1) && !p.splice(260, -5));
    }
}
