-- SPDX-License-Identifier: MIT
--
-- A headscope database: the features of sparse autoencoders (SAEs) trained on
-- the outputs of attention heads, and the tokens at which they are active.
-- Made for reading with SQL; the views answer the usual questions.
--
-- Words: a head is written L5H1 (layer 5, head 1, both from 0). A feature is
-- one latent of an SAE, numbered from 0. A token is one place in the text that
-- was read; its string is a row of vocab. Every key leads with the SAE.
--
-- What covers what: feature, feature_head, feature_position, feature_group,
-- histogram, example, head_example and token_feature rest on every token of the
-- dump. activation, activation_by_token and what is counted from head codes
-- hold a random sample of whole contexts, those with context.sampled = 1;
-- dump.sample_tokens says how many tokens that is, and dump.sample_tokens =
-- dump.tokens that it is all of them. feature_pair rests on sae.pair_tokens
-- tokens of that sample, feature_source_offset and feature_source_token on
-- sae.source_tokens of it, which are whole contexts.

-- One set of captured activations: z, a head's attention-weighted sum of
-- values, for every token and layer.
CREATE TABLE dump (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,            -- folder or first file, without its path
    model TEXT NOT NULL,           -- 'unknown' if not recorded
    model_fingerprint TEXT,        -- 32 hex digits over its weights; NULL: not
                                   -- recorded
    fingerprint TEXT NOT NULL,     -- 32 hex digits over the data
    first_layer INTEGER NOT NULL,
    layers INTEGER NOT NULL,
    heads INTEGER NOT NULL,
    d_head INTEGER NOT NULL,
    d_model INTEGER,               -- NULL: not recorded
    dtype TEXT NOT NULL,           -- 'f32', 'f16', 'bf16'
    bos TEXT NOT NULL,             -- 'always', 'never', 'unknown': contexts
                                   -- begin with the BOS token
    fold_value_biases INTEGER      -- 1: z is without value biases, 0: with
        CHECK (fold_value_biases IN (0, 1)), -- them, NULL: not recorded
    tokens INTEGER NOT NULL,
    contexts INTEGER NOT NULL,
    context_source TEXT NOT NULL   -- 'dump', or 'blocks': the dump does not
        CHECK (context_source IN ('dump', 'blocks')), -- know its contexts, and
                                   -- runs of 256 tokens stand in for them
    has_tokens INTEGER NOT NULL    -- 0: the dump came without token ids, and
        CHECK (has_tokens IN (0, 1)),  -- token.vocab is NULL throughout
    has_strings INTEGER NOT NULL   -- 0: without token strings, and vocab.text
        CHECK (has_strings IN (0, 1)), -- is 'token 123' throughout
    first_token INTEGER NOT NULL,  -- token.id of the dump's row 0
    sample_limit INTEGER NOT NULL, -- the most tokens to keep rows for
    sample_seed INTEGER NOT NULL,  -- what the sample was drawn with
    sample_contexts INTEGER NOT NULL,
    sample_tokens INTEGER NOT NULL -- tokens whose rows are kept
) STRICT;

-- Documents of one kind (a source, a label), where the dump names kinds.
CREATE TABLE document_group (
    id INTEGER PRIMARY KEY,
    dump INTEGER NOT NULL REFERENCES dump (id),
    name TEXT NOT NULL,
    contexts INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    UNIQUE (dump, name)
) STRICT;

-- A sequence that the model read: a document chunk or a prompt.
CREATE TABLE context (
    id INTEGER PRIMARY KEY,
    dump INTEGER NOT NULL REFERENCES dump (id),
    document_group INTEGER REFERENCES document_group (id), -- NULL: not known
    first_token INTEGER NOT NULL, -- token.id at position 0
    tokens INTEGER NOT NULL,
    sampled INTEGER NOT NULL      -- 1: in activation
        CHECK (sampled IN (0, 1))
) STRICT;

-- Positions in a context, in bins that double: 0, 1, 2 to 3, 4 to 7, ...
CREATE TABLE position_bin (
    dump INTEGER NOT NULL REFERENCES dump (id),
    bin INTEGER NOT NULL,
    first INTEGER NOT NULL,  -- position
    last INTEGER NOT NULL,   -- position
    tokens INTEGER NOT NULL, -- of the dump at these positions
    PRIMARY KEY (dump, bin)
) STRICT, WITHOUT ROWID;

-- Token strings; id is the tokenizer's. Tokenizers cut inside characters, so a
-- token need not be text: bytes that are no valid UTF-8, and NUL, are then
-- shown as \xE2, and the exact bytes stand beside it.
CREATE TABLE vocab (
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL,
    bytes BLOB,            -- NULL: text is exact
    count INTEGER NOT NULL -- tokens of all dumps here that have this string
) STRICT;
CREATE INDEX vocab_by_text ON vocab (text);

-- How often a token string occurs in one dump.
CREATE TABLE vocab_use (
    dump INTEGER NOT NULL REFERENCES dump (id),
    vocab INTEGER NOT NULL REFERENCES vocab (id),
    count INTEGER NOT NULL,
    PRIMARY KEY (dump, vocab)
) STRICT, WITHOUT ROWID;

-- A place in the text. Tokens of a context have consecutive ids.
CREATE TABLE token (
    id INTEGER PRIMARY KEY, -- dump.first_token + row in the dump
    context INTEGER NOT NULL REFERENCES context (id),
    position INTEGER NOT NULL, -- within the context, from 0
    vocab INTEGER REFERENCES vocab (id)
) STRICT;
CREATE INDEX token_by_vocab ON token (vocab);

-- What is known of contexts that are prompts of a task; other contexts have no
-- row.
CREATE TABLE prompt (
    context INTEGER PRIMARY KEY REFERENCES context (id),
    label INTEGER                 -- 1: positive, the task's behaviour is there;
        CHECK (label IN (0, 1)),  -- 0: negative; NULL: not known
    token INTEGER NOT NULL        -- the one whose prediction counts
        REFERENCES token (id),
    answer INTEGER                -- vocab.id of the first token that answers
                                  -- it; NULL: none was given
) STRICT;

-- A sparse autoencoder and how well it explains the dump. FVU is the fraction
-- of variance unexplained, L0 the mean number of active features of a token,
-- dead the number of features that are never active.
CREATE TABLE sae (
    id INTEGER PRIMARY KEY,
    dump INTEGER NOT NULL REFERENCES dump (id),
    name TEXT NOT NULL,         -- its folder, without path and ".sae"
    layer INTEGER NOT NULL,
    hook TEXT,                  -- 'blocks.2.attn.hook_z'; NULL: not recorded
    architecture TEXT NOT NULL, -- the rule: 'standard', 'topk', 'jumprelu',
                                -- 'gated'
    d_in INTEGER NOT NULL,
    d_sae INTEGER NOT NULL,     -- features
    heads INTEGER NOT NULL,     -- of its input
    fingerprint TEXT NOT NULL,  -- 32 hex digits over the tensors
    config TEXT,                -- headscope.json; NULL: trained elsewhere
    options TEXT NOT NULL,      -- what it was encoded with, as JSON
    held_out_fvu REAL,          -- on tokens kept from training, as the trainer
    held_out_l0 REAL,           -- recorded them; NULL: not recorded
    held_out_dead REAL,         -- share of features
    train_fvu REAL,             -- the same on as many tokens that trained
    pca_fvu REAL,               -- PCA of rank held_out_l0 on held-out tokens
    tokens INTEGER NOT NULL,    -- of the dump: all figures below rest on them
    fvu REAL,
    l0 REAL NOT NULL,
    l1 REAL,                    -- docs/metrics.md: mean sum of activations,
    mse REAL,                   -- mean squared length of the error,
    cosine REAL,                -- mean cosine of input and reconstruction,
    relative_bias REAL,         -- below 1: reconstructions are too short
    dead INTEGER NOT NULL,
    activations INTEGER NOT NULL, -- rows in activation: those of the sample
    pair_tokens INTEGER NOT NULL, -- tokens that feature_pair rests on
    source_tokens INTEGER NOT NULL, -- tokens that feature_source_offset and
                                    -- feature_source_token rest on; 0: encoded
                                    -- without the model, and both are empty, as
                                    -- is example_source
    UNIQUE (dump, name)
) STRICT;

-- The training curve, as the trainer recorded it. A figure of head 3 has a
-- name like 'per_head_fvu[3]'; 'density_histogram[9]' counts the features of
-- log10 density from 9/2 - 8 up to half a decade more.
CREATE TABLE metric (
    sae INTEGER NOT NULL REFERENCES sae (id),
    name TEXT NOT NULL,
    step INTEGER NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (sae, name, step)
) STRICT, WITHOUT ROWID;

CREATE TABLE head (
    sae INTEGER NOT NULL REFERENCES sae (id),
    head INTEGER NOT NULL,
    name TEXT NOT NULL,        -- 'L2H3'
    features INTEGER NOT NULL, -- whose top head it is
    fvu REAL,                  -- of the head's part of the input
    held_out_fvu REAL,         -- as the trainer recorded it
    codes INTEGER NOT NULL,    -- tokens of the sample with a code
    code_entropy REAL,         -- of its codes there, in bits; NULL: none
    PRIMARY KEY (sae, head)
) STRICT, WITHOUT ROWID;

CREATE TABLE feature (
    sae INTEGER NOT NULL REFERENCES sae (id),
    feature INTEGER NOT NULL,
    fires INTEGER NOT NULL, -- tokens at which it is active
    density REAL NOT NULL,  -- fires / tokens
    max REAL,               -- largest activation; NULL from here on: dead
    mean REAL,              -- over active tokens
    scale REAL,             -- of its levels: max / 255
    strings INTEGER,        -- different token strings at which it is active
    entropy REAL,           -- of its tokens' strings, in bits: 0 is one string
    top_head INTEGER,       -- the head with the largest data share
    top_share REAL,         -- that share
    PRIMARY KEY (sae, feature)
) STRICT, WITHOUT ROWID;
CREATE INDEX feature_by_density ON feature (sae, density);
CREATE INDEX feature_by_max ON feature (sae, max);
CREATE INDEX feature_by_share ON feature (sae, top_share);

-- How a feature divides over the heads. Direct feature attribution (DFA) of a
-- head is its part of the feature's pre-activation.
CREATE TABLE feature_head (
    sae INTEGER NOT NULL,
    feature INTEGER NOT NULL,
    head INTEGER NOT NULL,
    weight_share REAL, -- norm of the head's part of the decoder row, as a
                       -- share; NULL: all of it is zero
    data_share REAL,   -- sum over active tokens of max(DFA, 0), as a share;
                       -- NULL: dead, or no head contributes
    PRIMARY KEY (sae, feature, head),
    FOREIGN KEY (sae, feature) REFERENCES feature (sae, feature),
    FOREIGN KEY (sae, head) REFERENCES head (sae, head)
) STRICT, WITHOUT ROWID;
CREATE INDEX feature_head_by_share ON feature_head (sae, head, data_share);

-- How often a feature has which strength: bin b counts levels 5b + 1 to 5b + 5,
-- activations from 5b to 5b + 5 times the feature's scale. 51 bins, those with
-- count 0 left out.
CREATE TABLE histogram (
    sae INTEGER NOT NULL,
    feature INTEGER NOT NULL,
    bin INTEGER NOT NULL CHECK (bin BETWEEN 0 AND 50),
    count INTEGER NOT NULL,
    PRIMARY KEY (sae, feature, bin),
    FOREIGN KEY (sae, feature) REFERENCES feature (sae, feature)
) STRICT, WITHOUT ROWID;

-- At how many tokens of each position bin a feature is active. Bins without one
-- are left out. Compare with position_bin.tokens.
CREATE TABLE feature_position (
    sae INTEGER NOT NULL,
    feature INTEGER NOT NULL,
    bin INTEGER NOT NULL,
    fires INTEGER NOT NULL,
    PRIMARY KEY (sae, feature, bin),
    FOREIGN KEY (sae, feature) REFERENCES feature (sae, feature)
) STRICT, WITHOUT ROWID;

-- The same by document group. Groups without an active token are left out.
CREATE TABLE feature_group (
    sae INTEGER NOT NULL,
    feature INTEGER NOT NULL,
    document_group INTEGER NOT NULL REFERENCES document_group (id),
    fires INTEGER NOT NULL,
    PRIMARY KEY (sae, feature, document_group),
    FOREIGN KEY (sae, feature) REFERENCES feature (sae, feature)
) STRICT, WITHOUT ROWID;

-- The 8 features whose decoder rows point most nearly the same way as a
-- feature's own. Those that are never active are left out, on both sides.
CREATE TABLE feature_neighbour (
    sae INTEGER NOT NULL,
    feature INTEGER NOT NULL,
    rank INTEGER NOT NULL, -- from 1
    neighbour INTEGER NOT NULL,
    cosine REAL NOT NULL,
    PRIMARY KEY (sae, feature, rank),
    FOREIGN KEY (sae, feature) REFERENCES feature (sae, feature),
    FOREIGN KEY (sae, neighbour) REFERENCES feature (sae, feature)
) STRICT, WITHOUT ROWID;

-- The 16 features active together with a feature most beyond chance, on
-- sae.pair_tokens tokens spread evenly over the sample: those with the largest
-- (count - expected) / sqrt(expected), count being 2 or more.
CREATE TABLE feature_pair (
    sae INTEGER NOT NULL,
    feature INTEGER NOT NULL,
    rank INTEGER NOT NULL, -- from 1
    other INTEGER NOT NULL,
    count INTEGER NOT NULL, -- tokens at which both are active
    expected REAL NOT NULL, -- if they were independent: fires there, of one
                            -- times the other, by tokens
    PRIMARY KEY (sae, feature, rank),
    FOREIGN KEY (sae, feature) REFERENCES feature (sae, feature),
    FOREIGN KEY (sae, other) REFERENCES feature (sae, feature)
) STRICT, WITHOUT ROWID;

-- What a feature adds directly to the model's logits, for each unit of its
-- activation: its decoder row through W_O, then, less its mean and times the
-- gain of the last LayerNorm, through W_U; less the mean over the vocabulary.
-- The LayerNorm's scale, which depends on the token, is left out: logits of one
-- feature compare with each other. Rank 1 to 20 are the tokens that it promotes
-- most, -1 to -20 those that it suppresses most. Empty if the dump came without
-- W_U; features that are never active are left out.
CREATE TABLE feature_logit (
    sae INTEGER NOT NULL,
    feature INTEGER NOT NULL,
    rank INTEGER NOT NULL CHECK (rank <> 0),
    vocab INTEGER NOT NULL REFERENCES vocab (id),
    logit REAL NOT NULL,
    PRIMARY KEY (sae, feature, rank),
    FOREIGN KEY (sae, feature) REFERENCES feature (sae, feature)
) STRICT, WITHOUT ROWID;

-- Activations in the sample, from the feature's side. The level is an integer
-- code, 1..255, on the feature's own scale: value = (level - 0.5) * scale,
-- wrong by half a scale at most.
CREATE TABLE activation (
    sae INTEGER NOT NULL,
    feature INTEGER NOT NULL,
    token INTEGER NOT NULL REFERENCES token (id),
    level INTEGER NOT NULL CHECK (level BETWEEN 1 AND 255),
    PRIMARY KEY (sae, feature, token),
    FOREIGN KEY (sae, feature) REFERENCES feature (sae, feature)
) STRICT, WITHOUT ROWID;

-- The same rows from the token's side, with the codes of heads: the code of a
-- head at a token is the active feature with the head's largest positive DFA.
-- It is kept as a bit of that feature's row, as a row of its own would take
-- seven times as much; the view head_code has it as a row. A table of its own,
-- not an index: each is written in the order of its key, which is what makes
-- filling them fast.
CREATE TABLE activation_by_token (
    sae INTEGER NOT NULL,
    token INTEGER NOT NULL REFERENCES token (id),
    feature INTEGER NOT NULL,
    level INTEGER NOT NULL CHECK (level BETWEEN 1 AND 255),
    heads INTEGER NOT NULL, -- whose code the feature is here: the sum of 1 << h
                            -- over those heads h, 0 for none
    PRIMARY KEY (sae, token, feature),
    FOREIGN KEY (sae, feature) REFERENCES feature (sae, feature)
) STRICT, WITHOUT ROWID;

-- How many tokens of the sample have which code of a head.
CREATE TABLE head_code_count (
    sae INTEGER NOT NULL,
    head INTEGER NOT NULL,
    feature INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (sae, head, feature),
    FOREIGN KEY (sae, head) REFERENCES head (sae, head),
    FOREIGN KEY (sae, feature) REFERENCES feature (sae, feature)
) STRICT, WITHOUT ROWID;

-- A head's own features, divided into groups of related ones: up to 64, those
-- most often its code, of the features that get a quarter of their DFA or more
-- through it and are active at 10 tokens or more. Two are as related as the
-- larger of: cosine / 0.5 of the head's parts of their decoder rows; and
-- shared / 0.25, the overlap of the token strings that both prefer, beyond what
-- is frequent anyway. Groups whose members are on average related by 1 or more
-- are joined, the most related first. Group 1 is most often the head's code.
CREATE TABLE head_group (
    sae INTEGER NOT NULL,
    head INTEGER NOT NULL,
    number INTEGER NOT NULL, -- of the group, from 1
    feature INTEGER NOT NULL,
    PRIMARY KEY (sae, head, number, feature),
    FOREIGN KEY (sae, head) REFERENCES head (sae, head),
    FOREIGN KEY (sae, feature) REFERENCES feature (sae, feature)
) STRICT, WITHOUT ROWID;

-- From which tokens the examples of a feature were taken. Kinds:
--   'top'     its strongest, at most one from a context, and none that repeats
--             a stronger one with the 8 tokens before it
--   'width'   a random few from each of 5 intervals of equal width between 0
--             and its maximum
--   'count'   a random few from each of 5 intervals that hold equally many of
--             its active tokens, as nearly as levels can tell
--   'random'  a random few of all its active tokens
--   'silent'  a random few of the tokens at which it is not active
-- Interval 1 is the weakest; kinds without intervals have 1 only. An interval
-- without a token is left out, and so are features that are never active. Among
-- a random few each token of the set is as likely as any other, but of tokens
-- that repeat a text, with the 8 before them, there is one; so there are fewer
-- where the set does not have as many texts.
CREATE TABLE example_set (
    sae INTEGER NOT NULL,
    feature INTEGER NOT NULL,
    kind TEXT NOT NULL
        CHECK (kind IN ('top', 'width', 'count', 'random', 'silent')),
    interval INTEGER NOT NULL,
    above REAL NOT NULL,     -- activations of the set are above this, and
    up_to REAL NOT NULL,     -- at most this; both are 0 for silent tokens
    tokens INTEGER NOT NULL, -- of the dump that the examples were drawn from
    examples INTEGER NOT NULL, -- kept
    PRIMARY KEY (sae, feature, kind, interval),
    FOREIGN KEY (sae, feature) REFERENCES feature (sae, feature)
) STRICT, WITHOUT ROWID;

-- Tokens that show what a feature responds to, with the exact activation; the
-- strongest of a set has rank 1.
CREATE TABLE example (
    sae INTEGER NOT NULL,
    feature INTEGER NOT NULL,
    kind TEXT NOT NULL,
    interval INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    token INTEGER NOT NULL REFERENCES token (id),
    value REAL NOT NULL, -- 0 for a silent one
    PRIMARY KEY (sae, feature, kind, interval, rank),
    FOREIGN KEY (sae, feature, kind, interval)
        REFERENCES example_set (sae, feature, kind, interval)
) STRICT, WITHOUT ROWID;

-- Activations around the examples that lie outside the sample, in the same
-- context: at the active tokens up to 32 before and after a top example, and up
-- to 16 before and after one of another kind. In the sample, activation has
-- them.
CREATE TABLE example_activation (
    sae INTEGER NOT NULL,
    feature INTEGER NOT NULL,
    token INTEGER NOT NULL REFERENCES token (id),
    level INTEGER NOT NULL CHECK (level BETWEEN 1 AND 255),
    PRIMARY KEY (sae, feature, token),
    FOREIGN KEY (sae, feature) REFERENCES feature (sae, feature)
) STRICT, WITHOUT ROWID;

-- The tokens at which a feature gets most through one head, by that head's
-- DFA (> 0); without duplicates, as above.
CREATE TABLE head_example (
    sae INTEGER NOT NULL,
    feature INTEGER NOT NULL,
    head INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    token INTEGER NOT NULL REFERENCES token (id),
    contribution REAL NOT NULL, -- the head's DFA
    level INTEGER NOT NULL      -- the feature's activation
        CHECK (level BETWEEN 1 AND 255),
    PRIMARY KEY (sae, feature, head, rank),
    FOREIGN KEY (sae, feature) REFERENCES feature (sae, feature),
    FOREIGN KEY (sae, head) REFERENCES head (sae, head)
) STRICT, WITHOUT ROWID;
CREATE INDEX head_example_best ON head_example (sae, head, contribution)
    WHERE rank = 1;

-- Where an example's activation comes from. A head's DFA at a token is a sum
-- over the tokens that it looks back at, the sources: attention to the source
-- times value there, through the feature's encoder column; b_dec, which belongs
-- to no source, is left out. Of each head there are at most two sources, the
-- largest first. For an example of the feature, of any kind but 'silent', those
-- that contribute at least 1/16 of the example's positive contributions, over
-- all heads and sources; for one of a head (head_example), at least 1/16 of
-- that head's; and the strongest, where none has so much. Rows of a token that
-- is both are those that either has.
CREATE TABLE example_source (
    sae INTEGER NOT NULL,
    feature INTEGER NOT NULL,
    token INTEGER NOT NULL REFERENCES token (id), -- the example: destination
    head INTEGER NOT NULL,
    rank INTEGER NOT NULL CHECK (rank BETWEEN 1 AND 2), -- within the head
    source INTEGER NOT NULL REFERENCES token (id),
    contribution REAL NOT NULL, -- > 0, a part of the head's DFA
    PRIMARY KEY (sae, feature, token, head, rank),
    FOREIGN KEY (sae, feature) REFERENCES feature (sae, feature),
    FOREIGN KEY (sae, head) REFERENCES head (sae, head)
) STRICT, WITHOUT ROWID;

-- How far back a feature's sources lie, on sae.source_tokens tokens spread over
-- the sample: the distance from source to destination in the bins of
-- position_bin, 0, 1, 2 to 3, 4 to 7, ... tokens. Bins without a contribution
-- are left out.
CREATE TABLE feature_source_offset (
    sae INTEGER NOT NULL,
    feature INTEGER NOT NULL,
    bin INTEGER NOT NULL,
    share REAL NOT NULL,    -- of the feature's positive contributions, over all
                            -- heads and active tokens there
    count INTEGER NOT NULL, -- active tokens whose strongest source, all heads
                            -- together, lies there
    PRIMARY KEY (sae, feature, bin),
    FOREIGN KEY (sae, feature) REFERENCES feature (sae, feature)
) STRICT, WITHOUT ROWID;

-- The 16 token strings that contribute most to a feature as sources, on the
-- same tokens. A string counts at an active token if all of its occurrences
-- before give at least 1/16 of the positive contributions there.
CREATE TABLE feature_source_token (
    sae INTEGER NOT NULL,
    feature INTEGER NOT NULL,
    rank INTEGER NOT NULL, -- from 1
    vocab INTEGER NOT NULL REFERENCES vocab (id),
    share REAL NOT NULL,    -- what it gives where it counts, of all of the
                            -- feature's positive contributions
    count INTEGER NOT NULL, -- active tokens at which it counts
    PRIMARY KEY (sae, feature, rank),
    FOREIGN KEY (sae, feature) REFERENCES feature (sae, feature)
) STRICT, WITHOUT ROWID;
CREATE INDEX feature_source_token_by_vocab
    ON feature_source_token (sae, vocab, feature, share, count);

-- Token strings and features: at how many tokens with this string the feature
-- is active, and how strongly. Kept are the pairs among the 16 most frequent,
-- the 16 strongest at one token, or the 16 strongest on average over all
-- occurrences of the string, of their feature or of their string.
CREATE TABLE token_feature (
    sae INTEGER NOT NULL,
    vocab INTEGER NOT NULL REFERENCES vocab (id),
    feature INTEGER NOT NULL,
    count INTEGER NOT NULL,
    max REAL NOT NULL,
    mean REAL NOT NULL, -- over those tokens; times count by vocab_use.count it
                        -- is the mean over all occurrences of the string
    PRIMARY KEY (sae, vocab, feature),
    FOREIGN KEY (sae, feature) REFERENCES feature (sae, feature)
) STRICT, WITHOUT ROWID;
CREATE INDEX token_feature_by_feature ON token_feature (sae, feature);

-- A task whose heads were ranked by discrete codes (headscope circuit; O'Neill
-- & Bui 2024). One SAE that all heads share, trained on a few of the prompts,
-- gives a head a code for each prompt: the feature most active on what the head
-- adds there. It has nothing to do with the SAEs above. Scores are means over
-- several such SAEs; codes and edges are those of the first.
CREATE TABLE circuit (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,  -- of the dump, without path and ".dump"
    model TEXT NOT NULL,
    fingerprint TEXT NOT NULL,  -- of the dump
    layers INTEGER NOT NULL,
    first_layer INTEGER NOT NULL,
    heads INTEGER NOT NULL,     -- of a layer
    prompts INTEGER NOT NULL,
    positives INTEGER NOT NULL, -- of them with the task's behaviour
    seeds INTEGER NOT NULL,     -- SAEs
    options TEXT NOT NULL,      -- as JSON
    auc REAL,                   -- of the score against the true circuit: area
    auc_sd REAL,                -- under the ROC curve, its deviation over
                                -- seeds; NULL from here on: no truth given
    auc_edges REAL,             -- the same of the ranking by edges,
    auc_shuffled REAL,          -- of scores with labels shuffled,
    auc_mean_difference REAL,   -- and of two measures without codes: the mean
    auc_probe REAL,             -- difference and a logistic probe
    auc_edges_sd REAL,          -- deviations over seeds
    auc_shuffled_sd REAL,
    precision REAL,             -- of the set of heads that the score predicts,
    precision_sd REAL,          -- as many as the true circuit has unless
    recall REAL,                -- options say otherwise
    recall_sd REAL,
    f1 REAL,
    f1_sd REAL,
    paper_f1 REAL,              -- what the paper calls F1: 2 TPR TNR /
    paper_f1_sd REAL            -- (TPR + TNR)
) STRICT;

CREATE TABLE circuit_prompt (
    circuit INTEGER NOT NULL REFERENCES circuit (id),
    prompt INTEGER NOT NULL, -- context of the dump, from 0
    label INTEGER NOT NULL CHECK (label IN (0, 1)), -- 1: positive
    text TEXT NOT NULL,      -- '' if the dump came without token strings
    position INTEGER,        -- the token whose prediction counts, from 0;
                             -- NULL: not known
    answer TEXT,             -- the token that it should predict, or the first
                             -- of several; NULL: not known
    PRIMARY KEY (circuit, prompt)
) STRICT, WITHOUT ROWID;

-- The tokens of a prompt; none if the dump came without token strings.
CREATE TABLE circuit_token (
    circuit INTEGER NOT NULL,
    prompt INTEGER NOT NULL,
    position INTEGER NOT NULL, -- from 0
    text TEXT NOT NULL,        -- as in vocab
    escaped INTEGER NOT NULL   -- 1: bytes that are no text stand as \xE2
        CHECK (escaped IN (0, 1)),
    PRIMARY KEY (circuit, prompt, position),
    FOREIGN KEY (circuit, prompt) REFERENCES circuit_prompt (circuit, prompt)
) STRICT, WITHOUT ROWID;

CREATE TABLE circuit_head (
    circuit INTEGER NOT NULL REFERENCES circuit (id),
    layer INTEGER NOT NULL,
    head INTEGER NOT NULL,
    name TEXT NOT NULL,            -- 'L2H3'
    score REAL NOT NULL,           -- codes that only positives have, or their
                                   -- share: options says which
    score_edges REAL NOT NULL,     -- the paper's ranking by edges
    score_shuffled REAL NOT NULL,  -- the score with labels shuffled
    mean_difference REAL NOT NULL, -- norm of mean of positives less negatives
    probe REAL NOT NULL,           -- share of held-out prompts it gets right
    in_circuit INTEGER             -- 1: of the true circuit; NULL: not given
        CHECK (in_circuit IN (0, 1)),
    effect REAL,                   -- by what the task's metric changes when the
                                   -- head is put to its mean, as a share of the
                                   -- gap (docs/circuits.md): below 0 it falls;
                                   -- NULL: not given
    PRIMARY KEY (circuit, layer, head)
) STRICT, WITHOUT ROWID;

-- Heads without a code at a prompt are left out there.
CREATE TABLE circuit_code (
    circuit INTEGER NOT NULL,
    layer INTEGER NOT NULL,
    head INTEGER NOT NULL,
    prompt INTEGER NOT NULL,
    code INTEGER NOT NULL,
    PRIMARY KEY (circuit, layer, head, prompt),
    FOREIGN KEY (circuit, layer, head)
        REFERENCES circuit_head (circuit, layer, head),
    FOREIGN KEY (circuit, prompt) REFERENCES circuit_prompt (circuit, prompt)
) STRICT, WITHOUT ROWID;

-- For how many pairs of codes there is a positive prompt at which one head has
-- the one and another head the other, and no negative one. Without direction:
-- a pair of heads has one row, the first in the model first; those with none
-- are left out.
CREATE TABLE circuit_edge (
    circuit INTEGER NOT NULL,
    layer INTEGER NOT NULL,
    head INTEGER NOT NULL,
    other_layer INTEGER NOT NULL,
    other_head INTEGER NOT NULL,
    pairs INTEGER NOT NULL,
    PRIMARY KEY (circuit, layer, head, other_layer, other_head),
    FOREIGN KEY (circuit, layer, head)
        REFERENCES circuit_head (circuit, layer, head),
    FOREIGN KEY (circuit, other_layer, other_head)
        REFERENCES circuit_head (circuit, layer, head)
) STRICT, WITHOUT ROWID;
