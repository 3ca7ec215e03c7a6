//! The graph as Graphviz text.

use super::{Cfg, EdgeKind};
use crate::disasm::{Dialect, Names};
use crate::insn::RawInsn;
use alloc::string::String;
use core::fmt;

/// Displays a graph as a `digraph`, one cluster per function, instructions inside their blocks.
pub struct Dot<'a> {
    pub cfg: &'a Cfg,
    pub slots: &'a [RawInsn],
    pub dialect: &'a dyn Dialect,
    pub names: &'a dyn Names,
    /// The name of the whole graph.
    pub title: &'a str,
}

impl fmt::Display for Dot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "digraph \"{}\" {{", Escaped(self.title))?;
        writeln!(f, "  node [shape=box, fontname=monospace];")?;
        for (index, function) in self.cfg.functions.iter().enumerate() {
            writeln!(f, "  subgraph cluster_{index} {{")?;
            match self.names.code(function.start as i64) {
                Some(name) => writeln!(f, "    label=\"{}\";", Escaped(&name))?,
                None => writeln!(f, "    label=\"func#{index} @{}\";", function.start)?,
            }
            for id in self.cfg.blocks_of(index) {
                let block = &self.cfg.blocks[id];
                let looped = self.cfg.innermost[id].is_some_and(|l| self.cfg.loops[l].header == id);
                write!(f, "    b{id} [{}label=\"", if looped { "peripheries=2, " } else { "" })?;
                self.instructions(f, block.start, block.end)?;
                writeln!(f, "\"];")?;
            }
            writeln!(f, "  }}")?;
        }
        for (id, block) in self.cfg.blocks.iter().enumerate() {
            for edge in &block.successors {
                let style = match edge.kind {
                    EdgeKind::Fallthrough => "",
                    EdgeKind::Jump => " [style=bold]",
                    EdgeKind::Taken => " [label=\"taken\"]",
                };
                writeln!(f, "  b{id} -> b{}{style};", edge.to)?;
            }
        }
        for call in &self.cfg.calls {
            let to = self.cfg.block_of(self.cfg.functions[call.to].start);
            if let (Some(from), Some(to)) = (self.cfg.block_of(call.at), to) {
                writeln!(f, "  b{from} -> b{to} [style=dashed];")?;
            }
        }
        writeln!(f, "}}")
    }
}

impl Dot<'_> {
    fn instructions(&self, f: &mut fmt::Formatter<'_>, start: usize, end: usize) -> fmt::Result {
        let mut at = start;
        while at < end {
            let mut text = String::new();
            let taken = self.dialect.any(&mut text, at, &self.slots[at..], self.names)?;
            write!(f, "{at}: {}\\l", Escaped(&text))?;
            at += taken.max(1);
        }
        Ok(())
    }
}

/// Text inside double quotes.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c.is_control() => f.write_str(" ")?,
                c => write!(f, "{c}")?,
            }
        }
        Ok(())
    }
}
