//! Colour on terminals, and tables.

use clap::ValueEnum;
use serde_json::Value;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum ColorChoice {
    /// On terminals, unless NO_COLOR is set.
    Auto,
    Always,
    Never,
}

static COLOR: AtomicBool = AtomicBool::new(false);

/// Decides once for the whole command.
pub(super) fn set(choice: ColorChoice) {
    let on = match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => {
            io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
        }
    };
    COLOR.store(on, Ordering::Relaxed);
}

/// How a command that has two forms writes its results.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Human,
    /// One object, with stable keys.
    Json,
}

/// What a piece of text is, which decides its colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ink {
    Good,
    Bad,
    Doubt,
    Strong,
    Faint,
}

/// Text in an ink.
pub(super) struct Paint<T>(pub Ink, pub T);

impl<T: fmt::Display> fmt::Display for Paint<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !COLOR.load(Ordering::Relaxed) {
            return self.1.fmt(f);
        }
        let code = match self.0 {
            Ink::Good => "32",
            Ink::Bad => "1;31",
            Ink::Doubt => "33",
            Ink::Strong => "1",
            Ink::Faint => "2",
        };
        write!(f, "\x1b[{code}m")?;
        self.1.fmt(f)?;
        f.write_str("\x1b[0m")
    }
}

/// A table whose columns are as wide as what they hold.
#[derive(Default)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
    /// Columns of numbers, which stand to the right.
    right: Vec<usize>,
}

impl Table {
    /// A table with a head.
    pub(super) fn new(head: &[&str], right: &[usize]) -> Table {
        Table { rows: vec![head.iter().map(|&h| h.to_owned()).collect()], right: right.to_vec() }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.len() <= 1
    }

    /// The rows as objects with the head's words as keys; numbers in the columns of numbers.
    pub(super) fn json(&self) -> Value {
        let Some((head, rows)) = self.rows.split_first() else { return Value::Array(Vec::new()) };
        let cell = |(c, text): (usize, &String)| {
            let number = text.parse::<u64>().ok().filter(|_| self.right.contains(&c));
            (head[c].clone(), number.map_or_else(|| Value::from(text.as_str()), Value::from))
        };
        let object = |row: &Vec<String>| Value::Object(row.iter().enumerate().map(cell).collect());
        rows.iter().map(object).collect()
    }

    /// Writes the table with so many spaces before each row.
    pub(super) fn write(&self, out: &mut dyn Write, indent: usize) -> io::Result<()> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |c: usize| {
            self.rows.iter().filter_map(|r| r.get(c)).map(|s| s.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (nth, row) in self.rows.iter().enumerate() {
            let mut line = " ".repeat(indent);
            for (c, cell) in row.iter().enumerate() {
                if c > 0 {
                    line.push_str("  ");
                }
                let pad = " ".repeat(widths[c] - cell.chars().count());
                match self.right.contains(&c) {
                    true => line.extend([pad.as_str(), cell]),
                    false => line.extend([cell.as_str(), &pad]),
                }
            }
            let line = line.trim_end();
            match nth {
                0 => writeln!(out, "{}", Paint(Ink::Faint, line))?,
                _ => writeln!(out, "{line}")?,
            }
        }
        Ok(())
    }
}
