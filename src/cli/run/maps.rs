//! The content of maps as typed values.

use crate::vm::maps::{Map, MapKind};
use oxbpf_isa::btf::value::{Value, decode};
use oxbpf_isa::btf::{Btf, TypeId};
use oxbpf_isa::kernel::MapType;
use oxbpf_isa::program::MapDef;

/// Elements that are shown of one map.
pub(super) const MOST: usize = 1000;

/// What a map holds.
pub(super) struct Content {
    pub elements: Vec<Element>,
    /// Records of a ring buffer that nobody has read yet.
    pub records: Vec<Vec<u8>>,
    /// More elements than are shown.
    pub more: bool,
}

/// One element.
pub(super) struct Element {
    pub key: Value,
    /// One value, or one per CPU.
    pub values: Vec<Value>,
    /// Which of the values hold anything but zeroes.
    pub held: Vec<bool>,
    /// Nothing but zeroes.
    pub is_zero: bool,
}

/// Reads a map; what cannot be read, such as an array of programs, has no elements.
pub(super) fn content(def: &MapDef, map: &dyn Map) -> Content {
    if let MapKind::Ringbuf(ring) = map.kind() {
        let records = std::iter::from_fn(|| ring.next_record()).take(MOST).collect();
        return Content { elements: Vec::new(), records, more: false };
    }
    let mut elements = map.elements().unwrap_or_default();
    // Hashes keep no order; the order of keys makes the output the same every time.
    elements.sort_by(|a, b| a.0.iter().rev().cmp(b.0.iter().rev()));
    let more = elements.len() > MOST;
    let decoded = elements.into_iter().take(MOST).map(|(key, value)| element(def, &key, &value)).collect();
    Content { elements: decoded, records: Vec::new(), more }
}

fn element(def: &MapDef, key: &[u8], value: &[u8]) -> Element {
    let is_percpu =
        matches!(def.kind(), Some(MapType::PercpuArray | MapType::PercpuHash | MapType::LruPercpuHash));
    let stride = if is_percpu { def.value_size.next_multiple_of(8) as usize } else { value.len() };
    let values = value.chunks(stride.max(1)).map(|v| typed(def.btf.as_deref(), def.value_type, v)).collect();
    let held = value.chunks(stride.max(1)).map(|v| v.iter().any(|&b| b != 0)).collect();
    Element { key: key_value(def, key), values, held, is_zero: value.iter().all(|&b| b == 0) }
}

/// Keys of arrays are numbers whatever their type.
fn key_value(def: &MapDef, key: &[u8]) -> Value {
    match (def.key_type, key.first_chunk()) {
        (TypeId::VOID, Some(&word)) if key.len() == 4 => Value::Unsigned(u32::from_le_bytes(word) as u128),
        _ => typed(def.btf.as_deref(), def.key_type, key),
    }
}

fn typed(btf: Option<&Btf>, id: TypeId, bytes: &[u8]) -> Value {
    match btf {
        Some(btf) if id != TypeId::VOID => decode(btf, id, bytes),
        _ => Value::Bytes(bytes.to_vec()),
    }
}

/// Counts in powers of two: a member `slots`, or the value itself, that is an array of numbers.
pub(super) fn histogram(value: &Value) -> Option<Vec<u128>> {
    let array = match value {
        Value::Struct(members) => &members.iter().find(|(name, _)| name == "slots")?.1,
        _ => return None,
    };
    let Value::Array(elements) = array else { return None };
    let counts = elements.iter().map(|e| e.as_number().and_then(|n| u128::try_from(n).ok()));
    counts.collect::<Option<Vec<u128>>>().filter(|c| c.len() > 1)
}
