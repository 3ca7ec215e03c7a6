//! Tokens to nodes: the grammar of pcap-filter(7) as libpcap 1.10 reads it.
//!
//! ```text
//! expression  = term { ( "and" | "or" ) ( term | id ) }           both of equal rank, left to right
//! term        = "not" term | "(" expression ")" | relation | primitive | qualifiers id
//! id          = name | number | address | "not" id | "(" list ")" | "(" number ")"
//! list        = first { ( "and" | "or" ) id }                     first: an id, not in parentheses
//! relation    = value ( "<" | "<=" | "=" | "!=" | ">=" | ">" ) value
//! value       = number | "len" | proto "[" value [ ":" number ] "]" | "-" value | "(" value ")"
//!             | value op value
//! ```
//!
//! An identifier without qualifiers has those of the one before it: `tcp port 80 or 443`. Operators
//! rank `|`, `&`, shifts, sums, products, the unary minus highest. `%` and `^` have no rank: they bind
//! tighter than anything on their left and looser than anything on their right.

mod value;

use super::Proto;
use super::ast::{ByteOp, Dir, Id, Kind, Llc, Node, NodeId, NodeKind, Primitive, Qualifiers};
use super::error::{Error, ErrorKind, Span};
use super::lex::{Lexer, Token};
use super::words::Word;
use alloc::vec::Vec;

/// How deep parentheses, `not`, minus signs and indices may be nested: without optimisation by rustc,
/// a level takes up to 7 KB of stack.
const MAX_DEPTH: usize = 150;

/// Where in the grammar something stands, and so what it may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A term.
    Term,
    /// A term or an identifier.
    Either,
    /// An identifier.
    Id,
    /// A value.
    Value,
    /// A number in parentheses.
    Number,
}

impl Place {
    const fn takes_id(self) -> bool {
        matches!(self, Self::Either | Self::Id)
    }

    const fn takes_term(self) -> bool {
        matches!(self, Self::Term | Self::Either)
    }

    const fn takes_value(self) -> bool {
        !matches!(self, Self::Id | Self::Number)
    }
}

/// An operand of `and` and `or`.
#[derive(Clone, Copy)]
struct Item {
    node: NodeId,
    /// Those that an identifier after it has.
    qualifiers: Qualifiers,
    /// Whether it is an identifier.
    id: bool,
}

impl Item {
    const fn term(node: NodeId, qualifiers: Qualifiers) -> Self {
        Self { node, qualifiers, id: false }
    }

    const fn id(node: NodeId, qualifiers: Qualifiers) -> Self {
        Self { node, qualifiers, id: true }
    }
}

/// What was read.
enum Read {
    Item(Item),
    /// A value other than a number.
    Value(NodeId),
    Number(u32, Span),
}

pub(super) struct Parser<'a> {
    lexer: Lexer<'a>,
    token: Token<'a>,
    span: Span,
    /// The end of the token before.
    last: usize,
    depth: usize,
    nodes: Vec<Node<'a>>,
}

/// The nodes of an expression, the last its root. An empty expression, which every packet matches,
/// has none.
pub(super) fn parse(text: &str) -> Result<Vec<Node<'_>>, Error> {
    let mut lexer = Lexer::new(text);
    let (token, span) = lexer.next()?;
    let mut parser = Parser { lexer, token, span, last: 0, depth: 0, nodes: Vec::new() };
    if parser.token != Token::End {
        let first = parser.item(Place::Term, Qualifiers::NONE)?;
        parser.chain(first, Place::Either)?;
        if parser.token != Token::End {
            return parser.expected("\"and\", \"or\" or the end");
        }
    }
    Ok(parser.nodes)
}

impl<'a> Parser<'a> {
    fn advance(&mut self) -> Result<(), Error> {
        self.last = self.span.end;
        (self.token, self.span) = self.lexer.next()?;
        Ok(())
    }

    fn expected<T>(&self, what: &'static str) -> Result<T, Error> {
        Err(Error::new(self.span, ErrorKind::Expected(what)))
    }

    fn at(&self, word: Word) -> bool {
        self.token == Token::Word(word)
    }

    fn accept(&mut self, word: Word) -> Result<bool, Error> {
        let found = self.at(word);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn expect(&mut self, word: Word, what: &'static str) -> Result<(), Error> {
        if self.accept(word)? { Ok(()) } else { self.expected(what) }
    }

    fn node(&mut self, kind: NodeKind<'a>, start: usize) -> NodeId {
        self.nodes.push(Node { kind, span: Span::new(start, self.last), lead: start });
        self.nodes.len() - 1
    }

    fn primitive(&mut self, primitive: Primitive<'a>, start: usize) -> NodeId {
        self.node(NodeKind::Primitive(primitive), start)
    }

    fn start(&self, node: NodeId) -> usize {
        self.nodes[node].span.start
    }

    fn nested<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.depth == MAX_DEPTH {
            return Err(Error::new(self.span, ErrorKind::TooDeep { max: MAX_DEPTH }));
        }
        self.depth += 1;
        let out = f(self);
        self.depth -= 1;
        out
    }

    /// The rest of a chain of `and` and `or`.
    fn chain(&mut self, first: Item, place: Place) -> Result<Item, Error> {
        let mut left = first;
        while let Some(and) = self.conjunction()? {
            let right = self.item(place, left.qualifiers)?;
            left = Item {
                node: self.join(and, left.node, right.node),
                qualifiers: right.qualifiers,
                id: left.id,
            };
        }
        Ok(left)
    }

    /// Whether an `and` (true) or `or` (false) comes next, which is then read.
    fn conjunction(&mut self) -> Result<Option<bool>, Error> {
        let and = match self.token {
            Token::Word(Word::And) => true,
            Token::Word(Word::Or) => false,
            _ => return Ok(None),
        };
        self.advance()?;
        Ok(Some(and))
    }

    fn join(&mut self, and: bool, left: NodeId, right: NodeId) -> NodeId {
        let kind = if and { NodeKind::And(left, right) } else { NodeKind::Or(left, right) };
        self.node(kind, self.start(left))
    }

    /// An operand of `and` and `or`. `before` are the qualifiers it has when it brings none.
    fn item(&mut self, place: Place, before: Qualifiers) -> Result<Item, Error> {
        let start = self.span.start;
        match self.token {
            Token::Word(Word::Not) => {
                self.advance()?;
                let item = self.nested(|p| p.item(place, before))?;
                Ok(Item { node: self.node(NodeKind::Not(item.node), start), ..item })
            }
            Token::Word(Word::Open) => match self.nested(|p| p.parenthesis(place, before))? {
                Read::Item(item) => Ok(item),
                Read::Value(node) => {
                    let left = self.operators(node, 0)?;
                    self.relation(left)
                }
                Read::Number(value, span) => self.after_number(place, before, value, span),
            },
            Token::Number(value) => {
                let span = self.span;
                self.advance()?;
                self.after_number(place, before, value, span)
            }
            Token::End => self.expected("a primitive"),
            Token::Word(_) if place.takes_term() => self.term(),
            Token::Word(_) => self.expected("a name, number or address"),
            _ if place.takes_id() => self.id(before, start),
            _ => Err(Error::new(self.span, ErrorKind::Unqualified)),
        }
    }

    /// A number is a value if an operator follows, and else an identifier.
    fn after_number(
        &mut self,
        place: Place,
        before: Qualifiers,
        value: u32,
        span: Span,
    ) -> Result<Item, Error> {
        if place.takes_term() && self.at_operator() {
            let left = self.node(NodeKind::Constant(value), span.start);
            let left = self.operators(left, 0)?;
            return self.relation(left);
        }
        if !place.takes_id() {
            return Err(Error::new(span, ErrorKind::Unqualified));
        }
        Ok(Item::id(self.primitive(Primitive::Id(before, Id::Number(value)), span.start), before))
    }

    /// Something in parentheses.
    fn parenthesis(&mut self, place: Place, before: Qualifiers) -> Result<Read, Error> {
        let open = self.span.start;
        self.advance()?;
        let read = match self.token {
            Token::Number(value) => {
                let span = self.span;
                self.advance()?;
                self.in_parenthesis_number(place, before, value, span)?
            }
            Token::Word(Word::Open) => {
                // Lists do not start with a parenthesis.
                let inner = match place {
                    Place::Id | Place::Number => Place::Number,
                    Place::Value => Place::Value,
                    Place::Term | Place::Either => Place::Term,
                };
                match self.nested(|p| p.parenthesis(inner, before))? {
                    Read::Number(value, span) => self.in_parenthesis_number(place, before, value, span)?,
                    Read::Value(node) => self.in_parenthesis_value(place, before, node)?,
                    Read::Item(item) => self.expression(item, before)?,
                }
            }
            Token::Word(Word::Not) if place.takes_id() => match self.item(place, before)? {
                first @ Item { id: true, .. } => Read::Item(self.chain(first, Place::Id)?),
                first => self.expression(first, before)?,
            },
            Token::Word(_) if place.takes_term() && !self.at_value() => {
                let first = self.item(Place::Term, before)?;
                self.expression(first, before)?
            }
            Token::Word(_) if place.takes_value() => {
                let value = self.value(0)?;
                self.in_parenthesis_value(place, before, value)?
            }
            Token::Name(_) | Token::Dotted(_) | Token::Ipv6(_) | Token::Ether(_) | Token::Arcnet
                if place.takes_id() =>
            {
                let first = self.id(before, self.span.start)?;
                Read::Item(self.chain(first, Place::Id)?)
            }
            Token::End => return self.expected("something in the parentheses"),
            _ if place == Place::Value || place == Place::Number => return self.expected("a number"),
            Token::Word(_) => return self.expected("a name, number or address"),
            _ => return Err(Error::new(self.span, ErrorKind::Unqualified)),
        };
        self.expect(Word::Close, "\")\"")?;
        Ok(match read {
            Read::Number(value, _) => Read::Number(value, Span::new(open, self.last)),
            other => other,
        })
    }

    /// After a number that starts the inside of parentheses.
    fn in_parenthesis_number(
        &mut self,
        place: Place,
        before: Qualifiers,
        value: u32,
        span: Span,
    ) -> Result<Read, Error> {
        if place.takes_value() && self.at_operator() {
            let left = self.node(NodeKind::Constant(value), span.start);
            let left = self.operators(left, 0)?;
            return self.in_parenthesis_value(place, before, left);
        }
        if place.takes_id() && (self.at(Word::And) || self.at(Word::Or)) {
            let first =
                Item::id(self.primitive(Primitive::Id(before, Id::Number(value)), span.start), before);
            return Ok(Read::Item(self.chain(first, Place::Id)?));
        }
        Ok(Read::Number(value, span))
    }

    /// After a value that starts the inside of parentheses: it may start a relation.
    fn in_parenthesis_value(
        &mut self,
        place: Place,
        before: Qualifiers,
        value: NodeId,
    ) -> Result<Read, Error> {
        let value = self.operators(value, 0)?;
        if !place.takes_term() || self.at(Word::Close) {
            return Ok(Read::Value(value));
        }
        let first = self.relation(value)?;
        self.expression(first, before)
    }

    /// The rest of an expression in parentheses. What follows them has the qualifiers before them.
    fn expression(&mut self, first: Item, before: Qualifiers) -> Result<Read, Error> {
        let whole = self.chain(first, Place::Either)?;
        Ok(Read::Item(Item::term(whole.node, before)))
    }

    /// A name or address.
    fn id(&mut self, qualifiers: Qualifiers, start: usize) -> Result<Item, Error> {
        let token = self.token;
        self.advance()?;
        let id = match token {
            Token::Name(name) => Id::Name(name),
            Token::Dotted(net) if self.accept(Word::Slash)? => {
                Id::Prefix(net, self.number("the length of the mask")?)
            }
            Token::Dotted(net) if self.accept(Word::Mask)? => {
                let Token::Dotted(mask) = self.token else { return self.expected("a mask") };
                self.advance()?;
                Id::Masked(net, mask)
            }
            Token::Dotted(address) => Id::Dotted(address),
            Token::Ipv6(net) if self.accept(Word::Slash)? => {
                Id::Prefix6(net, self.number("the length of the mask")?)
            }
            Token::Ipv6(address) => Id::Ipv6(address),
            Token::Ether(address) => Id::Ether(address),
            Token::Arcnet => Id::Arcnet,
            _ => {
                return Err(Error::new(
                    Span::new(start, self.last),
                    ErrorKind::Expected("a name or address"),
                ));
            }
        };
        Ok(Item::id(self.primitive(Primitive::Id(qualifiers, id), start), qualifiers))
    }

    fn number(&mut self, what: &'static str) -> Result<u32, Error> {
        let Token::Number(value) = self.token else { return self.expected(what) };
        self.advance()?;
        Ok(value)
    }

    /// A number, with any parentheses around it, when one comes next.
    fn optional_number(&mut self) -> Result<Option<u32>, Error> {
        match self.token {
            Token::Number(_) => Ok(Some(self.number("a number")?)),
            Token::Word(Word::Open) => {
                match self.nested(|p| p.parenthesis(Place::Number, Qualifiers::NONE))? {
                    Read::Number(value, _) => Ok(Some(value)),
                    _ => self.expected("a number"),
                }
            }
            _ => Ok(None),
        }
    }

    /// A term that starts with a keyword.
    fn term(&mut self) -> Result<Item, Error> {
        if self.at_value() {
            let value = self.value(0)?;
            return self.relation(value);
        }
        let start = self.span.start;
        let Token::Word(word) = self.token else { return self.expected("a primitive") };
        if let Word::Proto(proto) = word {
            self.advance()?;
            return self.after_proto(proto, start);
        }
        if self.qualifies() {
            return self.qualified(None, start);
        }
        let span = self.span;
        self.advance()?;
        let primitive = match word {
            Word::Broadcast => Primitive::Broadcast(None),
            Word::Multicast => Primitive::Multicast(None),
            Word::Less => Primitive::Less(self.number("a length")?),
            Word::Greater => Primitive::Greater(self.number("a length")?),
            Word::Byte => self.byte()?,
            Word::Inbound => Primitive::Inbound,
            Word::Outbound => Primitive::Outbound,
            Word::IfIndex => Primitive::IfIndex(self.number("the number of an interface")?),
            Word::Vlan => Primitive::Vlan(self.optional_number()?),
            Word::Mpls => Primitive::Mpls(self.optional_number()?),
            Word::Pppoed => Primitive::Pppoed,
            Word::Pppoes => Primitive::Pppoes(self.optional_number()?),
            Word::Geneve => Primitive::Geneve(self.optional_number()?),
            Word::Llc => Primitive::Llc(self.llc()?),
            Word::Foreign(what) => return Err(Error::new(span, ErrorKind::ForeignLink(what))),
            Word::Rnr => return Err(Error::new(span, ErrorKind::ForeignLink("rnr"))),
            _ => return Err(Error::new(span, ErrorKind::Expected("a primitive"))),
        };
        Ok(Item::term(self.primitive(primitive, start), Qualifiers::NONE))
    }

    /// A protocol by itself, or one that qualifies what follows.
    fn after_proto(&mut self, proto: Proto, start: usize) -> Result<Item, Error> {
        if self.qualifies() {
            return self.qualified(Some(proto), start);
        }
        let primitive = match self.token {
            Token::Word(Word::Broadcast) => Primitive::Broadcast(Some(proto)),
            Token::Word(Word::Multicast) => Primitive::Multicast(Some(proto)),
            Token::Word(Word::Foreign(what @ ("type" | "subtype" | "direction" | "dir"))) => {
                return Err(Error::new(self.span, ErrorKind::ForeignLink(what)));
            }
            _ => return Ok(Item::term(self.primitive(Primitive::Proto(proto), start), Qualifiers::NONE)),
        };
        self.advance()?;
        Ok(Item::term(self.primitive(primitive, start), Qualifiers::NONE))
    }

    /// Whether a qualifier other than a protocol comes next.
    fn qualifies(&self) -> bool {
        matches!(
            self.token,
            Token::Word(
                Word::Src
                    | Word::Dst
                    | Word::Wireless
                    | Word::Host
                    | Word::Net
                    | Word::Port
                    | Word::PortRange
                    | Word::Protocol
                    | Word::ProtoChain
                    | Word::Gateway
            )
        )
    }

    /// The qualifiers after a protocol, and what they qualify.
    fn qualified(&mut self, proto: Option<Proto>, start: usize) -> Result<Item, Error> {
        let dir = self.direction()?;
        let kind = match self.token {
            Token::Word(Word::Host) => Kind::Host,
            Token::Word(Word::Net) => Kind::Net,
            Token::Word(Word::Port) => Kind::Port,
            Token::Word(Word::PortRange) => Kind::PortRange,
            // These take no direction.
            Token::Word(Word::Protocol) if dir == Dir::Any => Kind::Proto,
            Token::Word(Word::ProtoChain) if dir == Dir::Any => Kind::ProtoChain,
            Token::Word(Word::Gateway) if dir == Dir::Any => Kind::Gateway,
            _ => Kind::Default,
        };
        if kind != Kind::Default {
            self.advance()?;
        }
        let item = self.item(Place::Id, Qualifiers { proto, dir, kind })?;
        let node = &mut self.nodes[item.node];
        if matches!(node.kind, NodeKind::Primitive(_)) {
            node.lead = start;
        }
        Ok(Item::term(item.node, item.qualifiers))
    }

    fn direction(&mut self) -> Result<Dir, Error> {
        let (first, other) = match self.token {
            Token::Word(Word::Src) => (Dir::Src, Word::Dst),
            Token::Word(Word::Dst) => (Dir::Dst, Word::Src),
            Token::Word(Word::Wireless) => (Dir::Wireless, Word::Wireless),
            _ => return Ok(Dir::Any),
        };
        self.advance()?;
        if first == Dir::Wireless {
            return Ok(first);
        }
        match self.conjunction()? {
            None => Ok(first),
            Some(and) => {
                self.expect(other, if other == Word::Dst { "\"dst\"" } else { "\"src\"" })?;
                Ok(if and { Dir::Both } else { Dir::Either })
            }
        }
    }

    fn byte(&mut self) -> Result<Primitive<'a>, Error> {
        let index = self.number("the offset of a byte")?;
        let op = match self.token {
            Token::Word(Word::Equal) => ByteOp::Equal,
            Token::Word(Word::LessThan) => ByteOp::Less,
            Token::Word(Word::GreaterThan) => ByteOp::Greater,
            Token::Word(Word::Ampersand) => ByteOp::And,
            Token::Word(Word::Pipe) => ByteOp::Or,
            _ => return self.expected("one of = < > & |"),
        };
        self.advance()?;
        Ok(Primitive::Byte { index, op, value: self.number("a number")? })
    }

    fn llc(&mut self) -> Result<Option<Llc>, Error> {
        const SUPERVISORY: [(&str, u32); 3] = [("rr", 0x1), ("rnr", 0x5), ("rej", 0x9)];
        const UNNUMBERED: [(&str, u32); 8] = [
            ("ui", 0x03),
            ("ua", 0x63),
            ("disc", 0x43),
            ("dm", 0x0f),
            ("sabme", 0x6f),
            ("test", 0xe3),
            ("xid", 0xaf),
            ("frmr", 0x87),
        ];
        let name = match self.token {
            Token::Name(name) => name,
            Token::Word(Word::Rnr) => "rnr",
            _ => return Ok(None),
        };
        let span = self.span;
        self.advance()?;
        let find = |table: &[(&str, u32)]| {
            table.iter().find(|row| row.0.eq_ignore_ascii_case(name)).map(|row| row.1)
        };
        Ok(Some(match name {
            "i" | "I" => Llc::Information,
            "s" | "S" => Llc::Supervisory(None),
            "u" | "U" => Llc::Unnumbered(None),
            _ => match (find(&SUPERVISORY), find(&UNNUMBERED)) {
                (Some(command), _) => Llc::Supervisory(Some(command)),
                (_, Some(command)) => Llc::Unnumbered(Some(command)),
                _ => return Err(Error::new(span, ErrorKind::UnknownLlc)),
            },
        }))
    }
}
