//! The helpers that have rules beyond their signatures, by number.

macro_rules! helpers {
    ($($constant:ident = $id:literal $name:literal;)+) => {
        $(pub(crate) const $constant: i32 = $id;)+

        /// The numbers are those of the records.
        #[test]
        fn numbers_are_those_of_the_facts() {
            let records = oxbpf_isa::kernel::HELPERS;
            for (id, name) in [$(($id, $name)),+] {
                assert!(records.iter().any(|r| r.id == id && r.name == name), "{id} {name}");
            }
        }
    };
}

helpers! {
    MAP_LOOKUP = 1 "map_lookup_elem";
    MAP_UPDATE = 2 "map_update_elem";
    MAP_DELETE = 3 "map_delete_elem";
    TAIL_CALL = 12 "tail_call";
    GET_LOCAL_STORAGE = 81 "get_local_storage";
    SK_RELEASE = 86 "sk_release";
    MAP_PUSH = 87 "map_push_elem";
    MAP_POP = 88 "map_pop_elem";
    MAP_PEEK = 89 "map_peek_elem";
    SPIN_LOCK = 93 "spin_lock";
    SPIN_UNLOCK = 94 "spin_unlock";
    FOR_EACH = 164 "for_each_map_elem";
    SNPRINTF = 165 "snprintf";
    TIMER_SET_CALLBACK = 170 "timer_set_callback";
    GET_FUNC_IP = 173 "get_func_ip";
    FIND_VMA = 180 "find_vma";
    LOOP = 181 "loop";
    XCHG = 194 "kptr_xchg";
    DYNPTR_FROM_MEM = 197 "dynptr_from_mem";
    DYNPTR_WRITE = 202 "dynptr_write";
    DYNPTR_DATA = 203 "dynptr_data";
    USER_RINGBUF_DRAIN = 209 "user_ringbuf_drain";
}
