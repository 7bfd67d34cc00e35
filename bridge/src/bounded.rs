//! A tokenizer that many threads use, within bounds of memory and time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{RwLock, TryLockError};
use std::time::Duration;

use tokenizers::Tokenizer;

use crate::confined;

/// A tokenizer.json is a program: replacements that multiply a text at every step, regular expressions that
/// backtrack without end. What reading it, or one text's way through it, may hold and take: a base, and so much a
/// byte of input. Generous estimates, not measurements: every real tokenizer and text of the tests passes.
const MEMORY: usize = 256 << 20;
const MEMORY_A_BYTE: usize = 1024;
const TIME: Duration = Duration::from_secs(5);
const TIME_A_BYTE: Duration = Duration::from_micros(20);

/// Kept alive by every thread that works with it, also by one that was given up.
pub struct Shared {
    // The flag encode_special_tokens is state of the library's object; readers share it while it is right.
    pub tokenizer: RwLock<Tokenizer>,
    // A thread that was given up may hold the lock for reading for good: nobody may wait to write any more.
    pub stopped: AtomicBool,
}

pub fn confine<T: Send + 'static>(
    bytes: usize,
    thing: &str,
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, (bool, String)> {
    let memory = MEMORY.saturating_add(bytes.saturating_mul(MEMORY_A_BYTE));
    let time = TIME + TIME_A_BYTE.saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX));
    confined::run(&confined::MODELS, memory, time, work).map_err(|stopped| match stopped {
        confined::Stopped::Failed(message) => (false, message),
        confined::Stopped::OverBudget => (
            true,
            format!(
                "{thing} needs more than {} MiB of memory: use another tokenizer",
                memory >> 20
            ),
        ),
        confined::Stopped::Late => (
            true,
            format!(
                "{thing} takes longer than {} s: use another tokenizer",
                time.as_secs()
            ),
        ),
    })
}

impl Shared {
    pub fn read<T>(&self, work: impl FnOnce(&Tokenizer) -> Result<T, String>) -> Result<T, String> {
        work(&self.tokenizer.read().unwrap_or_else(|e| e.into_inner()))
    }

    pub fn encode(
        &self,
        text: &str,
        add_special: bool,
        parse_special: bool,
    ) -> Result<Vec<u32>, String> {
        let run = |t: &Tokenizer| {
            t.encode_fast(text, add_special)
                .map(|e| e.get_ids().to_vec())
                .map_err(|e| format!("the text cannot be encoded: {e}"))
        };
        loop {
            {
                let reader = self.tokenizer.read().unwrap_or_else(|e| e.into_inner());
                if reader.get_encode_special_tokens() != parse_special {
                    return run(&reader);
                }
            }
            // Tried, not waited for: a waiting writer keeps new readers out.
            let mut writer = match self.tokenizer.try_write() {
                Ok(writer) => writer,
                Err(TryLockError::Poisoned(e)) => e.into_inner(),
                Err(TryLockError::WouldBlock) => {
                    if self.stopped.load(Ordering::Acquire) {
                        return Err(STOPPED.to_string());
                    }
                    std::thread::sleep(Duration::from_micros(20));
                    continue;
                }
            };
            writer.set_encode_special_tokens(!parse_special);
        }
    }
}

pub const STOPPED: &str = "this tokenizer was stopped at an earlier text: load another model";
