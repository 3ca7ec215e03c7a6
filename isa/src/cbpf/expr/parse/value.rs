//! Values and comparisons of the grammar.

use super::{Item, Parser, Place, Read};
use crate::cbpf::expr::ast::{NodeId, NodeKind, Qualifiers};
use crate::cbpf::expr::error::Error;
use crate::cbpf::expr::lex::Token;
use crate::cbpf::expr::words::Word;
use crate::cbpf::{Alu, Cond};
use alloc::vec::Vec;

impl Parser<'_> {
    /// The right side of a comparison whose left side is `left`.
    pub(super) fn relation(&mut self, left: NodeId) -> Result<Item, Error> {
        let (cond, negated) = match self.token {
            Token::Word(Word::GreaterThan) => (Cond::Gt, false),
            Token::Word(Word::GreaterEqual) => (Cond::Ge, false),
            Token::Word(Word::Equal) => (Cond::Eq, false),
            Token::Word(Word::LessEqual) => (Cond::Gt, true),
            Token::Word(Word::LessThan) => (Cond::Ge, true),
            Token::Word(Word::NotEqual) => (Cond::Eq, true),
            _ => return self.expected("an operator or a comparison"),
        };
        self.advance()?;
        let right = self.value(0)?;
        let node = self.node(NodeKind::Relation { cond, negated, left, right }, self.start(left));
        Ok(Item::term(node, Qualifiers::NONE))
    }

    /// Whether a value that is no number or parenthesis comes next.
    pub(super) fn at_value(&self) -> bool {
        match self.token {
            Token::Word(Word::Len | Word::Minus) => true,
            Token::Word(Word::Proto(_)) => self.lexer.rest_starts_with('['),
            _ => false,
        }
    }

    /// Whether an operator or a comparison comes next.
    pub(super) fn at_operator(&self) -> bool {
        self.operator().is_some()
            || matches!(
                self.token,
                Token::Word(
                    Word::Equal
                        | Word::NotEqual
                        | Word::LessThan
                        | Word::LessEqual
                        | Word::GreaterThan
                        | Word::GreaterEqual
                )
            )
    }

    /// The operator that comes next and its rank; those without rank have none.
    fn operator(&self) -> Option<(Alu, Option<u32>)> {
        let Token::Word(word) = self.token else { return None };
        Some(match word {
            Word::Pipe => (Alu::Or, Some(1)),
            Word::Ampersand => (Alu::And, Some(2)),
            Word::ShiftLeft => (Alu::Lsh, Some(3)),
            Word::ShiftRight => (Alu::Rsh, Some(3)),
            Word::Plus => (Alu::Add, Some(4)),
            Word::Minus => (Alu::Sub, Some(4)),
            Word::Times => (Alu::Mul, Some(5)),
            Word::Slash => (Alu::Div, Some(5)),
            Word::Percent => (Alu::Mod, None),
            Word::Caret => (Alu::Xor, None),
            _ => return None,
        })
    }

    /// A value whose operators all rank above `above`.
    pub(super) fn value(&mut self, above: u32) -> Result<NodeId, Error> {
        let first = self.nested(Self::operand)?;
        self.operators(first, above)
    }

    /// The operators ranking above `above` that follow the value `left`, and their right sides.
    pub(super) fn operators(&mut self, left: NodeId, above: u32) -> Result<NodeId, Error> {
        // Left sides with operators that wait for the end of their right side.
        let mut waiting: Vec<(NodeId, Alu, Option<u32>)> = Vec::new();
        let mut value = left;
        loop {
            let next = self.operator();
            let rank = next.map(|(_, rank)| rank);
            while let Some(&(left, op, of)) = waiting.last() {
                let complete = match (of, rank) {
                    (_, None) => true,
                    (Some(of), Some(Some(rank))) => of >= rank,
                    _ => false,
                };
                if !complete {
                    break;
                }
                waiting.pop();
                value = self.node(NodeKind::Arithmetic { op, left, right: value }, self.start(left));
            }
            match next {
                Some((op, rank)) if !waiting.is_empty() || rank.is_none_or(|rank| rank > above) => {
                    self.advance()?;
                    waiting.push((value, op, rank));
                    value = self.nested(Self::operand)?;
                }
                _ => return Ok(value),
            }
        }
    }

    fn operand(&mut self) -> Result<NodeId, Error> {
        /// Above all operators.
        const UNARY: u32 = 6;
        let start = self.span.start;
        match self.token {
            Token::Number(value) => {
                self.advance()?;
                Ok(self.node(NodeKind::Constant(value), start))
            }
            Token::Word(Word::Len) => {
                self.advance()?;
                Ok(self.node(NodeKind::Length, start))
            }
            Token::Word(Word::Minus) => {
                self.advance()?;
                let value = self.value(UNARY)?;
                Ok(self.node(NodeKind::Negative(value), start))
            }
            Token::Word(Word::Proto(proto)) => {
                self.advance()?;
                self.expect(Word::OpenBracket, "\"[\"")?;
                let index = self.value(0)?;
                let size = if self.accept(Word::Colon)? { self.number("a size: 1, 2 or 4")? } else { 1 };
                self.expect(Word::CloseBracket, "\"]\"")?;
                Ok(self.node(NodeKind::Load { proto, index, size }, start))
            }
            Token::Word(Word::Open) => match self.parenthesis(Place::Value, Qualifiers::NONE)? {
                Read::Value(node) => Ok(node),
                Read::Number(value, span) => Ok(self.node(NodeKind::Constant(value), span.start)),
                Read::Item(_) => self.expected("a value"),
            },
            _ => self.expected("a value"),
        }
    }
}
