//! Rendered from `isa/facts/fields.toml`. Do not edit.

use crate::kernel::{FieldKind, FieldRecord, FieldSign, KernelVersion, MapFlags, Span};

pub(crate) const FIELDS: &[FieldRecord] = &[
    FieldRecord { kind: FieldKind::SpinLock, sign: FieldSign::Struct("bpf_spin_lock"), span: Span::since(KernelVersion::new(5, 1)), size: 4, align: 4, once: true, repeats: false, map: MapFlags::from_bits(0x4) },
    FieldRecord { kind: FieldKind::ResSpinLock, sign: FieldSign::Struct("bpf_res_spin_lock"), span: Span::since(KernelVersion::new(6, 15)), size: 4, align: 4, once: true, repeats: false, map: MapFlags::from_bits(0x10000) },
    FieldRecord { kind: FieldKind::Timer, sign: FieldSign::Struct("bpf_timer"), span: Span::since(KernelVersion::new(5, 15)), size: 16, align: 8, once: true, repeats: false, map: MapFlags::from_bits(0x8) },
    FieldRecord { kind: FieldKind::Workqueue, sign: FieldSign::Struct("bpf_wq"), span: Span::since(KernelVersion::new(6, 10)), size: 16, align: 8, once: true, repeats: false, map: MapFlags::from_bits(0x10) },
    FieldRecord { kind: FieldKind::TaskWork, sign: FieldSign::Struct("bpf_task_work"), span: Span::since(KernelVersion::new(6, 18)), size: 8, align: 8, once: true, repeats: false, map: MapFlags::from_bits(0x8000) },
    FieldRecord { kind: FieldKind::ListHead, sign: FieldSign::Struct("bpf_list_head"), span: Span::since(KernelVersion::new(6, 2)), size: 16, align: 8, once: false, repeats: true, map: MapFlags::from_bits(0x40) },
    FieldRecord { kind: FieldKind::ListNode, sign: FieldSign::Struct("bpf_list_node"), span: Span::since(KernelVersion::new(6, 2)), size: 24, align: 8, once: false, repeats: false, map: MapFlags::NONE },
    FieldRecord { kind: FieldKind::RbRoot, sign: FieldSign::Struct("bpf_rb_root"), span: Span::since(KernelVersion::new(6, 3)), size: 16, align: 8, once: false, repeats: true, map: MapFlags::from_bits(0x40) },
    FieldRecord { kind: FieldKind::RbNode, sign: FieldSign::Struct("bpf_rb_node"), span: Span::since(KernelVersion::new(6, 3)), size: 32, align: 8, once: false, repeats: false, map: MapFlags::NONE },
    FieldRecord { kind: FieldKind::Refcount, sign: FieldSign::Struct("bpf_refcount"), span: Span::since(KernelVersion::new(6, 4)), size: 4, align: 4, once: true, repeats: false, map: MapFlags::from_bits(0x20) },
    FieldRecord { kind: FieldKind::KptrUntrusted, sign: FieldSign::Tag("kptr_untrusted"), span: Span::since(KernelVersion::new(6, 4)), size: 8, align: 8, once: false, repeats: true, map: MapFlags::from_bits(0x20) },
    FieldRecord { kind: FieldKind::Kptr, sign: FieldSign::Tag("kptr"), span: Span::since(KernelVersion::new(6, 4)), size: 8, align: 8, once: false, repeats: true, map: MapFlags::from_bits(0x20) },
    FieldRecord { kind: FieldKind::PercpuKptr, sign: FieldSign::Tag("percpu_kptr"), span: Span::since(KernelVersion::new(6, 7)), size: 8, align: 8, once: false, repeats: true, map: MapFlags::from_bits(0x20) },
    FieldRecord { kind: FieldKind::Uptr, sign: FieldSign::Tag("uptr"), span: Span::since(KernelVersion::new(6, 13)), size: 8, align: 8, once: false, repeats: true, map: MapFlags::from_bits(0x4000) },
];
