//! Measuring: engines in turn, many short rounds, the shortest counts.

use std::time::{Duration, Instant};

/// Something to measure: does its work so many times and gives the last result.
pub type Work<'a> = Box<dyn FnMut(u32) -> Result<u64, String> + 'a>;

/// One engine on one workload.
pub struct Subject<'a> {
    pub engine: &'static str,
    /// The work, or why the engine cannot do it.
    pub work: Result<Work<'a>, String>,
}

/// What was measured: nanoseconds of one run, or why there is no number.
pub type Measured = Result<f64, String>;

/// How long a round of one engine takes, about.
const ROUND: Duration = Duration::from_micros(400);

/// Measures all subjects. Their results must be `expected`.
pub fn measure(subjects: &mut [Subject<'_>], expected: Option<u64>, rounds: u32) -> Vec<Measured> {
    let mut counts = Vec::new();
    for subject in subjects.iter_mut() {
        let count = match &mut subject.work {
            Ok(work) => calibrate(work, expected),
            Err(reason) => Err(reason.clone()),
        };
        counts.push(count);
    }
    let mut best = vec![f64::INFINITY; subjects.len()];
    for _ in 0..rounds {
        for (index, subject) in subjects.iter_mut().enumerate() {
            let (Ok(work), Ok(count)) = (&mut subject.work, &counts[index]) else { continue };
            let start = Instant::now();
            std::hint::black_box(work(*count)).ok();
            let time = start.elapsed().as_nanos() as f64 / f64::from(*count);
            best[index] = best[index].min(time);
        }
    }
    counts.into_iter().zip(best).map(|(count, best)| count.map(|_| best)).collect()
}

/// Holds the result against what is expected; how many runs make a round.
fn calibrate(work: &mut Work<'_>, expected: Option<u64>) -> Result<u32, String> {
    let found = work(1)?;
    if let Some(expected) = expected
        && found != expected
    {
        return Err(format!("gives {found:#x} and not {expected:#x}"));
    }
    let mut count = 1;
    loop {
        let start = Instant::now();
        work(count)?;
        let time = start.elapsed();
        if time * 2 >= ROUND || count >= 1 << 20 {
            let scale = ROUND.as_secs_f64() / time.as_secs_f64().max(1e-9);
            return Ok(((f64::from(count) * scale) as u32).max(1));
        }
        count *= 2;
    }
}
