//! Grammar masks by llguidance.

use std::collections::hash_map::RandomState;
use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{TokEnv, TokRxInfo, TokTrie, TokenId, TokenizerEnv};
use llguidance::{Matcher, ParserFactory};

use crate::bytes::{guard, WringBytes, WringView};
use crate::confined;
use crate::tokenizer::WringTokenizer;

/// Grammar text beyond this is refused before it is parsed.
const MAX_SOURCE: usize = 1 << 20;
/// What compiling may hold.
const MEMORY: usize = 512 << 20;

/// Bytes of whitespace that a JSON document may have at one place: a line end and indentation, and no more,
/// since a small model left alone with free whitespace writes nothing else.
const WHITESPACE: &str = r"[\x20\x0A\x0D\x09]{1,20}";

/// What the compiled grammars of all requests may hold together. Hundreds of requests may wait, each with copies for
/// its choices.
const MAX_HELD: usize = 2 << 30;
static HELD: AtomicUsize = AtomicUsize::new(0);

/// A share of HELD.
struct Share(usize);

impl Share {
    fn take(bytes: usize) -> Option<Share> {
        let fits = |held: usize| held.checked_add(bytes).filter(|sum| *sum <= MAX_HELD);
        HELD.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .ok()
            .map(|_| Share(bytes))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        HELD.fetch_sub(self.0, Ordering::Relaxed);
    }
}

pub struct WringGrammar {
    matcher: Matcher,
    end: u32,
    share: Share,
}

/// Sources that were stopped, and what was said: whoever sends one again, and programs do, costs nothing more.
static STOPPED: Mutex<VecDeque<(u64, String)>> = Mutex::new(VecDeque::new());
const MAX_STOPPED: usize = 256;

fn stopped() -> MutexGuard<'static, VecDeque<(u64, String)>> {
    STOPPED.lock().unwrap_or_else(|e| e.into_inner())
}

/// Keyed by chance, so that nobody can have another's grammar refused.
fn hash(kind: i32, source: &str) -> u64 {
    static KEYS: OnceLock<RandomState> = OnceLock::new();
    KEYS.get_or_init(RandomState::new).hash_one((kind, source))
}

const TOO_MANY: &str = "the grammars of all requests hold 2 GiB: try again later";

struct Vocabulary {
    trie: TokTrie,
}

impl TokenizerEnv for Vocabulary {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }
    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<TokenId> {
        self.trie.greedy_tokenize(bytes)
    }
    /// Else a mask where the next bytes are certain would allow the greedy token only, which is not the one that
    /// the model was taught.
    fn tokenize_is_canonical(&self) -> bool {
        false
    }
}

/// What every grammar over a tokenizer shares; made once, since the trie of 150,000 tokens takes 100 ms. The end
/// of the text is an id of its own, one past the vocabulary: which of a model's ids end a text is its caller's
/// business, and one trie serves them all.
pub fn factory(words: Vec<Vec<u8>>) -> Result<ParserFactory, String> {
    let mut words = words;
    let end = words.len() as u32;
    words.push(Vec::new());
    let env: TokEnv = Arc::new(Vocabulary {
        trie: TokTrie::from(&TokRxInfo::new(end + 1, end), &words),
    });
    let mut factory = ParserFactory::new_simple(&env).map_err(|e| e.to_string())?;
    factory.quiet();
    let limits = factory.limits_mut();
    limits.verbose_errors = false;
    // A grammar that was cut into characters has an item a byte of the trie.
    limits.step_max_items = 2_000_000;
    Ok(factory)
}

fn schema(source: &str) -> Result<TopLevelGrammar, String> {
    let mut schema: serde_json::Value =
        serde_json::from_str(source).map_err(|e| format!("the JSON schema is not JSON: {e}"))?;
    if let Some(object) = schema.as_object_mut() {
        object
            .entry("x-guidance")
            .or_insert_with(|| serde_json::json!({ "whitespace_pattern": WHITESPACE }));
    }
    Ok(TopLevelGrammar::from_json_schema(schema))
}

/// What the library says in many lines, as part of a sentence: a regular expression's fault stands in the last,
/// others in the first.
fn reason(message: &str) -> String {
    let mut lines = message.lines().map(str::trim).filter(|l| !l.is_empty());
    let first = lines.next().unwrap_or("no reason given");
    let line = lines
        .find_map(|l| l.strip_prefix("error: "))
        .unwrap_or(first);
    line.trim_end_matches('.').to_string()
}

/// Why there is no next token.
fn cannot_go_on(message: &str) -> String {
    if message.contains("NoExtension") {
        return "the grammar allows nothing here, not even an end: correct it".to_string();
    }
    format!(
        "the grammar became too large while it was followed ({}): make it simpler",
        reason(message)
    )
}

fn compile(factory: &ParserFactory, kind: i32, source: String) -> Result<Matcher, String> {
    let (what, grammar) = match kind {
        0 => ("JSON schema", schema(&source)?),
        1 => ("regular expression", TopLevelGrammar::from_regex(&source)),
        2 => ("grammar", TopLevelGrammar::from_lark(source)),
        _ => return Err("there is no such kind of grammar".to_string()),
    };
    let matcher = Matcher::new(factory.create_parser(grammar));
    match matcher.get_error() {
        Some(e) => Err(format!(
            "the {what} cannot be compiled ({}): correct it",
            reason(&e)
        )),
        None => Ok(matcher),
    }
}

/// # Safety
/// See wring_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn wring_grammar_compile(
    tokenizer: *const WringTokenizer,
    kind: i32,
    source: WringView,
    max_ms: u64,
    refused: *mut bool,
    error: *mut WringBytes,
) -> *mut WringGrammar {
    *refused = false;
    guard(std::ptr::null_mut(), error, || {
        *refused = confined::GRAMMARS.full();
        let source = source.text()?.to_string();
        if source.len() > MAX_SOURCE {
            return Err(format!(
                "the grammar has {} bytes, more than {MAX_SOURCE}: make it smaller",
                source.len()
            ));
        }
        let hash = hash(kind, &source);
        if let Some((_, message)) = stopped().iter().find(|(h, _)| *h == hash) {
            *refused = false;
            return Err(message.clone());
        }
        // Not on the confined thread: one that is stopped there would keep the others from it.
        let factory = (*tokenizer).grammar_factory()?;
        let time = Duration::from_millis(max_ms);
        let (matcher, bytes) = confined::run(&confined::GRAMMARS, MEMORY, time, move || {
            let matcher = compile(&factory, kind, source)?;
            Ok((matcher, confined::used()))
        })
        .map_err(|why| {
            let message = match why {
                confined::Stopped::Failed(message) => return message,
                confined::Stopped::OverBudget => {
                    "the grammar needs more than 512 MiB: make it simpler".to_string()
                }
                confined::Stopped::Late => {
                    format!("the grammar takes longer than {max_ms} ms to compile: make it simpler")
                }
            };
            let mut list = stopped();
            list.truncate(MAX_STOPPED - 1);
            list.push_front((hash, message.clone()));
            message
        })?;
        let end = (*tokenizer).vocab_size();
        *refused = true;
        let share = Share::take(bytes).ok_or(TOO_MANY)?;
        Ok(Box::into_raw(Box::new(WringGrammar {
            matcher,
            end,
            share,
        })))
    })
}

/// # Safety
/// See wring_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn wring_grammar_copy(
    grammar: *const WringGrammar,
    error: *mut WringBytes,
) -> *mut WringGrammar {
    guard(std::ptr::null_mut(), error, || {
        let grammar = &*grammar;
        let share = Share::take(grammar.share.0).ok_or(TOO_MANY)?;
        Ok(Box::into_raw(Box::new(WringGrammar {
            matcher: grammar.matcher.deep_clone(),
            end: grammar.end,
            share,
        })))
    })
}

/// # Safety
/// See wring_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn wring_grammar_free(grammar: *mut WringGrammar) {
    drop(Box::from_raw(grammar));
}

/// # Safety
/// See wring_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn wring_grammar_mask(
    grammar: *mut WringGrammar,
    words: *mut u32,
    count: usize,
    may_end: *mut bool,
    error: *mut WringBytes,
) -> bool {
    guard(false, error, || {
        let grammar = &mut *grammar;
        let mask = grammar
            .matcher
            .compute_mask_or_eos()
            .map_err(|e| cannot_go_on(&e.to_string()))?;
        let out = std::slice::from_raw_parts_mut(words, count);
        out.fill(0);
        for (to, from) in out.iter_mut().zip(mask.as_slice()) {
            *to = *from;
        }
        *may_end = mask.is_allowed(grammar.end);
        // The end's own bit is no token's.
        if let Some(word) = out.get_mut(grammar.end as usize / 32) {
            *word &= !(1 << (grammar.end % 32));
        }
        Ok(true)
    })
}

/// # Safety
/// See wring_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn wring_grammar_commit(
    grammar: *mut WringGrammar,
    id: u32,
    error: *mut WringBytes,
) -> bool {
    guard(false, error, || {
        (*grammar)
            .matcher
            .consume_token(id)
            .map_err(|e| match e.to_string() {
                e if e.contains("Parser Error") || e.contains("lexer error") => cannot_go_on(&e),
                e => format!("token {id} is not allowed here: {}", reason(&e)),
            })?;
        Ok(true)
    })
}

/// # Safety
/// See wring_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn wring_grammar_finished(grammar: *mut WringGrammar) -> bool {
    guard(false, std::ptr::null_mut(), || {
        Ok((*grammar).matcher.is_stopped())
    })
}
