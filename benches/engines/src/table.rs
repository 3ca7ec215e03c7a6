//! The table of ratios.

use crate::measure::Measured;

/// Measured times by workload, to be shown relative to a column.
pub struct Table {
    columns: Vec<&'static str>,
    rows: Vec<(String, Vec<Measured>)>,
}

impl Table {
    pub fn new(columns: Vec<&'static str>) -> Table {
        Table { columns, rows: Vec::new() }
    }

    pub fn row(&mut self, name: &str, times: Vec<Measured>) {
        self.rows.push((name.to_owned(), times));
    }

    /// Writes the first column in nanoseconds and the others as multiples of it, then geometric means,
    /// with and without the rows in `apart`, then why numbers are missing.
    pub fn print(&self, title: &str, apart: &[&str]) {
        println!("\n{title}");
        let width = self.rows.iter().map(|r| r.0.len()).max().unwrap_or(0).max(14);
        print!("{:width$}", "");
        for (index, column) in self.columns.iter().enumerate() {
            let unit = if index == 0 { " ns" } else { "" };
            print!(" {:>13}", format!("{column}{unit}"));
        }
        println!();
        let mut notes: Vec<String> = Vec::new();
        for (name, times) in &self.rows {
            print!("{name:width$}");
            for (index, time) in times.iter().enumerate() {
                match (time, &times[0]) {
                    (Ok(time), _) if index == 0 => print!(" {time:>13.1}"),
                    (Ok(time), Ok(base)) => print!(" {:>13.2}", time / base),
                    (Ok(time), Err(_)) => print!(" {:>10.1} ns", time),
                    (Err(reason), _) => {
                        let note = format!("{}: {reason}", self.columns[index]);
                        let at = notes.iter().position(|n| *n == note).unwrap_or_else(|| {
                            notes.push(note);
                            notes.len() - 1
                        });
                        print!(" {:>13}", format!("[{}]", at + 1));
                    }
                }
            }
            println!();
        }
        self.mean("geometric mean", width, &[]);
        if self.rows.iter().any(|r| apart.contains(&r.0.as_str())) {
            self.mean(&format!("without {}", apart.join(", ")), width, apart);
        }
        for (index, note) in notes.iter().enumerate() {
            println!("[{}] {note}", index + 1);
        }
    }

    /// The geometric mean of each column over the rows that it and the first have.
    fn mean(&self, name: &str, width: usize, apart: &[&str]) {
        print!("{name:width$}");
        for column in 0..self.columns.len() {
            let ratios = self.rows.iter().filter(|r| !apart.contains(&r.0.as_str())).filter_map(|(_, times)| {
                match (&times[column], &times[0]) {
                    (Ok(time), Ok(base)) => Some((time / base).ln()),
                    _ => None,
                }
            });
            let ratios: Vec<f64> = ratios.collect();
            match ratios.len() {
                0 => print!(" {:>13}", "-"),
                n if n < self.rows.len() - apart.len().min(self.rows.len()) => {
                    print!(" {:>13}", format!("{:.2} of {n}", (ratios.iter().sum::<f64>() / n as f64).exp()));
                }
                n => print!(" {:>13.2}", (ratios.iter().sum::<f64>() / n as f64).exp()),
            }
        }
        println!();
    }
}
