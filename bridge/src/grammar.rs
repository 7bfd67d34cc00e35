//! Grammar masks by llguidance.

use std::sync::Arc;
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

pub struct WringGrammar {
    matcher: Matcher,
    end: u32,
}

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
    error: *mut WringBytes,
) -> *mut WringGrammar {
    guard(std::ptr::null_mut(), error, || {
        let source = source.text()?.to_string();
        if source.len() > MAX_SOURCE {
            return Err(format!(
                "the grammar has {} bytes, more than {MAX_SOURCE}: make it smaller",
                source.len()
            ));
        }
        // Not on the confined thread: one that is stopped there would keep the others from it.
        let factory = (*tokenizer).grammar_factory()?;
        let matcher = confined::run(MEMORY, Duration::from_millis(max_ms), move || {
            compile(&factory, kind, source)
        })
        .map_err(|stopped| match stopped {
            confined::Stopped::Failed(message) => message,
            confined::Stopped::OverBudget => {
                "the grammar needs more than 512 MiB: make it simpler".to_string()
            }
            confined::Stopped::Late => {
                format!("the grammar takes longer than {max_ms} ms to compile: make it simpler")
            }
        })?;
        let end = (*tokenizer).vocab_size();
        Ok(Box::into_raw(Box::new(WringGrammar { matcher, end })))
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
            .map_err(|e| format!("the grammar cannot go on: {}", reason(&e.to_string())))?;
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
            .map_err(|e| format!("token {id} is not allowed here: {}", reason(&e.to_string())))?;
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
