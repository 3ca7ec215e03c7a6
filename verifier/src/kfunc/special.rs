//! Kernel functions that do more than their prototypes and flags say.
//!
//! Rules: `special_kfunc_list` of Linux 6.18, by name.

/// A kernel function that the verifier knows by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Special {
    ObjNew,
    ObjDrop,
    PercpuObjNew,
    PercpuObjDrop,
    RefcountAcquire,
    ListPushFront,
    ListPushBack,
    ListPopFront,
    ListPopBack,
    ListFront,
    ListBack,
    RbtreeRemove,
    RbtreeAdd,
    RbtreeFirst,
    RbtreeRoot,
    RbtreeLeft,
    RbtreeRight,
    CastToKernCtx,
    RdonlyCast,
    RcuReadLock,
    RcuReadUnlock,
    PreemptDisable,
    PreemptEnable,
    LocalIrqSave,
    LocalIrqRestore,
    ResSpinLock,
    ResSpinUnlock,
    ResSpinLockIrqsave,
    ResSpinUnlockIrqrestore,
    DynptrFromSkb,
    DynptrFromXdp,
    DynptrFromSkbMeta,
    DynptrSlice,
    DynptrSliceRdwr,
    DynptrClone,
    Throw,
    WqSetCallback,
    TaskWorkSignal,
    TaskWorkResume,
    IterCssTaskNew,
    IterNum,
    SessionCookie,
    GetKmemCache,
    Trap,
    XdpMetadata,
    XdpPullData,
    ArenaPages,
}

const NAMES: &[(&str, Special)] = &[
    ("__bpf_trap", Special::Trap),
    ("bpf_arena_alloc_pages", Special::ArenaPages),
    ("bpf_arena_free_pages", Special::ArenaPages),
    ("bpf_arena_reserve_pages", Special::ArenaPages),
    ("bpf_cast_to_kern_ctx", Special::CastToKernCtx),
    ("bpf_dynptr_clone", Special::DynptrClone),
    ("bpf_dynptr_from_skb", Special::DynptrFromSkb),
    ("bpf_dynptr_from_skb_meta", Special::DynptrFromSkbMeta),
    ("bpf_dynptr_from_xdp", Special::DynptrFromXdp),
    ("bpf_dynptr_slice", Special::DynptrSlice),
    ("bpf_dynptr_slice_rdwr", Special::DynptrSliceRdwr),
    ("bpf_get_kmem_cache", Special::GetKmemCache),
    ("bpf_iter_css_task_new", Special::IterCssTaskNew),
    ("bpf_iter_num_destroy", Special::IterNum),
    ("bpf_iter_num_new", Special::IterNum),
    ("bpf_iter_num_next", Special::IterNum),
    ("bpf_list_back", Special::ListBack),
    ("bpf_list_front", Special::ListFront),
    ("bpf_list_pop_back", Special::ListPopBack),
    ("bpf_list_pop_front", Special::ListPopFront),
    ("bpf_list_push_back_impl", Special::ListPushBack),
    ("bpf_list_push_front_impl", Special::ListPushFront),
    ("bpf_local_irq_restore", Special::LocalIrqRestore),
    ("bpf_local_irq_save", Special::LocalIrqSave),
    ("bpf_obj_drop_impl", Special::ObjDrop),
    ("bpf_obj_new_impl", Special::ObjNew),
    ("bpf_percpu_obj_drop_impl", Special::PercpuObjDrop),
    ("bpf_percpu_obj_new_impl", Special::PercpuObjNew),
    ("bpf_preempt_disable", Special::PreemptDisable),
    ("bpf_preempt_enable", Special::PreemptEnable),
    ("bpf_rbtree_add_impl", Special::RbtreeAdd),
    ("bpf_rbtree_first", Special::RbtreeFirst),
    ("bpf_rbtree_left", Special::RbtreeLeft),
    ("bpf_rbtree_remove", Special::RbtreeRemove),
    ("bpf_rbtree_right", Special::RbtreeRight),
    ("bpf_rbtree_root", Special::RbtreeRoot),
    ("bpf_rcu_read_lock", Special::RcuReadLock),
    ("bpf_rcu_read_unlock", Special::RcuReadUnlock),
    ("bpf_rdonly_cast", Special::RdonlyCast),
    ("bpf_refcount_acquire_impl", Special::RefcountAcquire),
    ("bpf_res_spin_lock", Special::ResSpinLock),
    ("bpf_res_spin_lock_irqsave", Special::ResSpinLockIrqsave),
    ("bpf_res_spin_unlock", Special::ResSpinUnlock),
    ("bpf_res_spin_unlock_irqrestore", Special::ResSpinUnlockIrqrestore),
    ("bpf_session_cookie", Special::SessionCookie),
    ("bpf_task_work_schedule_resume_impl", Special::TaskWorkResume),
    ("bpf_task_work_schedule_signal_impl", Special::TaskWorkSignal),
    ("bpf_throw", Special::Throw),
    ("bpf_wq_set_callback_impl", Special::WqSetCallback),
    ("bpf_xdp_metadata_rx_hash", Special::XdpMetadata),
    ("bpf_xdp_metadata_rx_timestamp", Special::XdpMetadata),
    ("bpf_xdp_metadata_rx_vlan_tag", Special::XdpMetadata),
    ("bpf_xdp_pull_data", Special::XdpPullData),
];

impl Special {
    /// The one with this name.
    pub fn named(name: &str) -> Option<Special> {
        let found = NAMES.binary_search_by_key(&name, |(n, _)| *n).ok()?;
        Some(NAMES[found].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found() {
        assert!(NAMES.is_sorted_by(|a, b| a.0 < b.0));
        for (name, special) in NAMES {
            assert_eq!(Special::named(name), Some(*special));
        }
        assert_eq!(Special::named("bpf_dynptr_size"), None);
    }
}
