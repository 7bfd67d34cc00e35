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

pub struct WringGrammar {
    matcher: Matcher,
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
}

fn environment(tokenizer: &WringTokenizer, vocab_size: u32, eos: u32) -> TokEnv {
    let mut words = tokenizer.all_bytes();
    words.resize(vocab_size as usize, Vec::new());
    Arc::new(Vocabulary {
        trie: TokTrie::from(&TokRxInfo::new(vocab_size, eos), &words),
    })
}

fn compile(env: TokEnv, kind: i32, source: String) -> Result<Matcher, String> {
    let grammar = match kind {
        0 => TopLevelGrammar::from_json_schema(
            serde_json::from_str(&source)
                .map_err(|e| format!("the JSON schema is not JSON: {e}"))?,
        ),
        1 => TopLevelGrammar::from_regex(&source),
        2 => TopLevelGrammar::from_lark(source),
        _ => return Err("there is no such kind of grammar".to_string()),
    };
    let mut factory = ParserFactory::new_simple(&env).map_err(|e| e.to_string())?;
    factory.quiet();
    let matcher = Matcher::new(factory.create_parser(grammar));
    match matcher.get_error() {
        Some(e) => Err(format!("the grammar cannot be compiled: {e}")),
        None => Ok(matcher),
    }
}

/// # Safety
/// See wring_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn wring_grammar_compile(
    tokenizer: *const WringTokenizer,
    vocab_size: u32,
    eos: u32,
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
        let env = environment(&*tokenizer, vocab_size, eos);
        let matcher = confined::run(MEMORY, Duration::from_millis(max_ms), move || {
            compile(env, kind, source)
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
        Ok(Box::into_raw(Box::new(WringGrammar { matcher })))
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
    error: *mut WringBytes,
) -> bool {
    guard(false, error, || {
        let mask = (*grammar)
            .matcher
            .compute_mask_or_eos()
            .map_err(|e| e.to_string())?;
        let out = std::slice::from_raw_parts_mut(words, count);
        out.fill(0);
        for (to, from) in out.iter_mut().zip(mask.as_slice()) {
            *to = *from;
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
            .map_err(|e| format!("token {id} is not allowed here: {e}"))?;
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
