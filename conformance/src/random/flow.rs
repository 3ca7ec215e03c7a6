//! Statements, branches, loops and functions.

use oxbpf::isa::insn::{AluOp, Callee, Cond, Insn, Operand, Reg, Width};
use oxbpf::isa::kernel::RetRule;

use super::writer::{Frame, Function, What, Writer};

/// Functions of a program, at most.
const FUNCTIONS: usize = 5;

impl Writer<'_> {
    /// The whole program.
    pub fn write(&mut self) {
        if self.random.percent(85) {
            self.mov(Reg::R6, Reg::R1);
        }
        self.function_body();
        let mut next = 0;
        while next < self.functions.len() {
            let function = self.functions[next].clone();
            let start = self.code.len();
            self.functions[next].start = Some(start);
            self.function = Some(next);
            self.frame = Frame::new(&function.args);
            self.locked = 1 << 10;
            self.budget = self.random.one(&[5, 12, 25]);
            self.function_body();
            next += 1;
        }
        for function in &self.functions {
            let Some(start) = function.start else { continue };
            for &site in &function.sites {
                self.code[site].imm = (start as i64 - site as i64 - 1) as i32;
            }
        }
    }

    fn function_body(&mut self) {
        self.exits.clear();
        (self.sheltered, self.depth) = (0, 0);
        self.block(200);
        let exits = std::mem::take(&mut self.exits);
        if !exits.is_empty() {
            // Paths that give up meet those that end well, or do not.
            let apart = self.random.percent(50);
            if apart {
                self.leave();
            }
            for from in exits {
                self.land(from);
            }
            for r in 0..6 {
                self.frame.regs[r] = What::No;
            }
        }
        self.leave();
    }

    /// A value to return, and the exit.
    pub fn leave(&mut self) {
        let is_callback = self.function.is_some_and(|f| self.functions[f].is_callback);
        let rule = match self.function {
            Some(_) if is_callback => RetRule::Within(0, 1),
            Some(_) => RetRule::Any,
            None => self.model.return_rule(&self.kind),
        };
        match rule {
            RetRule::Any if self.what(Reg::R0).is_number() && self.random.percent(60) => {}
            RetRule::Any if self.random.percent(70) && self.find(What::is_number).is_some() => {
                let r = self.number();
                self.mov(Reg::R0, r);
            }
            RetRule::Within(min, max) if !self.slip() => {
                let value = min + self.random.below((i64::from(max) - i64::from(min) + 1) as u64) as i32;
                if min == 0 && max == 1 && self.random.percent(30) && self.what(Reg::R0).is_number() {
                    self.put(Insn::Alu {
                        op: AluOp::And,
                        width: Width::W64,
                        dst: Reg::R0,
                        src: Operand::Imm(1),
                    });
                } else {
                    self.mov_imm(Reg::R0, value);
                }
            }
            _ => self.mov_imm(Reg::R0, 0),
        }
        self.put(Insn::Exit);
    }

    /// Up to so many statements.
    pub fn block(&mut self, most: u32) {
        self.depth += 1;
        for _ in 0..most {
            if self.budget <= 0 {
                break;
            }
            self.statement();
        }
        self.depth -= 1;
    }

    fn statement(&mut self) {
        if self.slip() && self.random.percent(30) {
            return self.nonsense();
        }
        let nests = self.depth < 4;
        match self.random.below(100) {
            0..18 => self.arithmetic(),
            18..34 => self.stack(),
            34..42 => self.context(),
            42..50 => self.packet(),
            50..62 => self.access(),
            62..68 => self.pointer_arithmetic(),
            68..71 => self.direct_value(),
            71..77 => self.lookup(),
            77..84 => self.any_helper(),
            84..86 => self.packet_load(),
            86..94 if nests => self.branch(),
            94..96 if nests => self.bounded_loop(),
            96 if nests => self.may_goto_loop(),
            97..99 => self.call_function(),
            99 if nests => self.acquire(),
            _ => self.null_check(),
        }
        if self.random.percent(10) {
            self.null_check();
        }
    }

    /// A condition, without its place to go.
    fn condition(&mut self) -> usize {
        let width = self.width();
        let cond = self.random.one(Cond::ALL);
        if self.random.percent(6)
            && let (Some(a), Some(b)) = (self.find(What::is_pointer), self.find(|w| w != What::No))
        {
            return self.jump(cond, width, a, Operand::Reg(b));
        }
        let dst = self.number();
        let src = match self.random.percent(30) {
            true => Operand::Reg(self.number()),
            false => Operand::Imm(self.constant()),
        };
        self.jump(cond, width, dst, src)
    }

    fn branch(&mut self) {
        let from = self.condition();
        let before = self.frame;
        let most = 1 + self.random.below(4) as u32;
        self.block(most);
        if self.random.percent(15) && self.sheltered == 0 {
            self.leave();
            self.land(from);
            self.frame = before;
            return;
        }
        if self.random.percent(50) {
            self.land(from);
            self.frame = self.frame.join(&before);
            return;
        }
        let over = self.put(Insn::Goto { off: 0, long: false });
        self.land(from);
        let first = std::mem::replace(&mut self.frame, before);
        let most = 1 + self.random.below(4) as u32;
        self.block(most);
        self.land(over);
        self.frame = self.frame.join(&first);
    }

    /// What a loop's body may rely on: some registers, which it must then leave alone.
    fn keep_for_loop(&mut self) -> u16 {
        let locked = self.locked;
        for r in 0..10 {
            let is_locked = locked >> r & 1 == 1;
            if is_locked || self.frame.regs[r] == What::No {
                continue;
            }
            if r >= 6 && self.random.percent(70) {
                self.locked |= 1 << r;
            } else if self.frame.regs[r].is_number() && self.random.percent(60) {
                self.frame.regs[r] = What::Num(None);
                // It may change, but only into a number: this is hoped.
            } else {
                self.frame.regs[r] = What::No;
            }
        }
        for slot in &mut self.frame.slots {
            *slot = What::No;
        }
        locked
    }

    fn bounded_loop(&mut self) {
        let counter = self.lasting();
        if self.locked >> counter.number() & 1 == 1 || self.what(counter) == What::Ctx {
            return;
        }
        self.mov_imm(counter, 0);
        let locked = self.keep_for_loop();
        self.locked |= 1 << counter.number();
        let rounds = match self.random.below(10) {
            0 if self.depth < 3 => 100 + self.random.below(200),
            _ => 1 + self.random.below(12),
        } as i32;
        self.frame.regs[counter.index()] = What::Num(Some(rounds as u32));
        let head = self.code.len();
        let in_front = self.random.percent(30);
        let leaving = in_front.then(|| self.jump(Cond::Ge, Width::W64, counter, Operand::Imm(rounds)));
        let most = 1 + self.random.below(4) as u32;
        self.block(most);
        self.add_imm(counter, 1);
        let back = match leaving {
            Some(_) => self.put(Insn::Goto { off: 0, long: false }),
            None => {
                let cond = self.random.one(&[Cond::Lt, Cond::Lt, Cond::Ne, Cond::Slt, Cond::Le]);
                let width = self.width();
                self.jump(cond, width, counter, Operand::Imm(rounds))
            }
        };
        self.point(back, head);
        if let Some(leaving) = leaving {
            self.land(leaving);
        }
        self.locked = locked;
        for r in 0..6 {
            self.frame.regs[r] = What::No;
        }
    }

    fn may_goto_loop(&mut self) {
        let locked = self.keep_for_loop();
        let head = self.code.len();
        let leaving = self.put(Insn::MayGoto { off: 0 });
        let most = 1 + self.random.below(3) as u32;
        self.block(most);
        let back = if self.random.percent(50) {
            self.condition()
        } else {
            self.put(Insn::Goto { off: 0, long: false })
        };
        self.point(back, head);
        self.land(leaving);
        self.locked = locked;
        for r in 0..6 {
            self.frame.regs[r] = What::No;
        }
        for slot in &mut self.frame.slots {
            *slot = What::No;
        }
    }

    /// A pointer that may be null is held against it.
    pub fn null_check(&mut self) {
        let like = |w: What| matches!(w, What::ValueOrNull(_) | What::SockOrNull);
        let Some(r) = self.find(like) else { return };
        let settled = match self.what(r) {
            What::ValueOrNull(map) => What::Value(map, 0, 0),
            What::SockOrNull => What::Sock,
            other => other,
        };
        self.when_not_null(r, settled, |w| {
            let most = 1 + w.random.below(5) as u32;
            w.block(most);
        });
    }

    /// Goes on, or only within `body`, with `r` not null.
    pub fn when_not_null(&mut self, r: Reg, settled: What, body: impl FnOnce(&mut Self)) {
        let zero = Operand::Imm(0);
        let before = self.frame;
        if self.sheltered == 0 && self.random.percent(40) {
            if self.random.percent(50) {
                let from = self.jump(Cond::Eq, Width::W64, r, zero);
                self.exits.push(from);
            } else {
                let from = self.jump(Cond::Ne, Width::W64, r, zero);
                self.leave();
                self.land(from);
                self.frame = before;
            }
            self.set(r, settled);
            return;
        }
        let (from, over) = if self.random.percent(70) {
            (self.jump(Cond::Eq, Width::W64, r, zero), None)
        } else {
            let good = self.jump(Cond::Ne, Width::W64, r, zero);
            let over = self.put(Insn::Goto { off: 0, long: false });
            (good, Some(over))
        };
        if over.is_some() {
            self.land(from);
        }
        self.set(r, settled);
        body(self);
        self.land(over.unwrap_or(from));
        self.frame = self.frame.join(&before);
        self.set(r, What::No);
    }

    /// Calls a function of the program.
    fn call_function(&mut self) {
        let mut args = Vec::new();
        for r in 1..=5 {
            let what = match self.frame.regs[r] {
                What::Fp(off) => What::Outer(off),
                What::No => break,
                // Of the caller's callers nothing is remembered.
                What::Outer(_) => What::Pointer,
                what => what,
            };
            args.push(what);
        }
        let fits = |f: &Function| {
            !f.is_callback && f.args.len() <= args.len() && f.args.iter().zip(&args).all(|(a, b)| a == b)
        };
        let known: Vec<usize> = (0..self.functions.len())
            .filter(|&f| f > self.function.unwrap_or(0) && fits(&self.functions[f]))
            .collect();
        let index = if !known.is_empty() && self.random.percent(70) {
            self.random.one(&known)
        } else if self.functions.len() < FUNCTIONS {
            let is_global = self.random.percent(30) && args.iter().all(|w| w.is_number());
            if is_global {
                args = vec![What::Num(None); args.len()];
            }
            let function = Function { args, sites: Vec::new(), is_callback: false, is_global, start: None };
            self.functions.push(function);
            self.functions.len() - 1
        } else {
            return;
        };
        // A slip must not hide where the call is.
        let site = self.code.len();
        let (insn, _) = Insn::Call(Callee::Subprog(0)).encode();
        self.code.push(insn);
        self.budget -= 1;
        self.functions[index].sites.push(site);
        for r in 1..6 {
            self.frame.regs[r] = What::No;
        }
        self.set(Reg::R0, What::Num(None));
        for slot in &mut self.frame.slots {
            if *slot != What::No {
                *slot = What::Num(None);
            }
        }
    }

    /// A function for a helper to call back, and its address in a register.
    pub fn callback(&mut self, dst: Reg, args: Vec<What>) -> bool {
        if self.functions.len() >= FUNCTIONS {
            return false;
        }
        let site = self.code.len();
        let (first, second) = Insn::LdImm64 { dst, imm: oxbpf::isa::insn::Imm64::Func(0) }.encode();
        self.code.push(first);
        self.code.extend(second);
        let function = Function { args, sites: vec![site], is_callback: true, is_global: false, start: None };
        self.functions.push(function);
        self.set(dst, What::Pointer);
        true
    }
}
