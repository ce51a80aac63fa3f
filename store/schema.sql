-- SPDX-License-Identifier: MIT
--
-- A headscope database: the features of sparse autoencoders (SAEs) trained on
-- the outputs of attention heads, and the tokens at which they are active.
-- Made for reading with SQL; the views at the end answer the usual questions.
--
-- Words: a head is written L5H1 (layer 5, head 1, both from 0). A feature is
-- one latent of an SAE, numbered from 0. A token is one place in the text that
-- was read; its string is a row of vocab. Every key leads with the SAE.
--
-- What covers what: feature, feature_head, feature_position, feature_group,
-- histogram, example, head_example and token_feature rest on every token of the
-- dump. activation, activation_by_token, head_code and what is counted from
-- head codes hold a random sample of whole contexts, those with
-- context.sampled = 1; dump.sample_tokens says how many tokens that is, and
-- dump.sample_tokens = dump.tokens that it is all of them. feature_pair rests
-- on sae.pair_tokens tokens of that sample.

-- One set of captured activations: z, a head's attention-weighted sum of
-- values, for every token and layer.
CREATE TABLE dump (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,            -- folder or first file, without its path
    model TEXT NOT NULL,           -- 'unknown' if not recorded
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
    sampled INTEGER NOT NULL      -- 1: in activation and head_code
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
-- feature compare with each other. Rank 1, 2, ... are the tokens that it
-- promotes most, -1, -2, ... those that it suppresses most. Empty if the dump
-- came without W_U; features that are never active are left out.
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

-- The same rows from the token's side. A table of its own, not an index: each
-- is written in the order of its key, which is what makes filling them fast.
CREATE TABLE activation_by_token (
    sae INTEGER NOT NULL,
    token INTEGER NOT NULL REFERENCES token (id),
    feature INTEGER NOT NULL,
    level INTEGER NOT NULL CHECK (level BETWEEN 1 AND 255),
    PRIMARY KEY (sae, token, feature),
    FOREIGN KEY (sae, feature) REFERENCES feature (sae, feature)
) STRICT, WITHOUT ROWID;

-- The code of a head at a token of the sample: the active feature with the
-- head's largest positive DFA. No row: no active feature has any. From token
-- to code: each code is one of the token's features in activation_by_token.
CREATE TABLE head_code (
    sae INTEGER NOT NULL,
    head INTEGER NOT NULL,
    feature INTEGER NOT NULL,
    token INTEGER NOT NULL REFERENCES token (id),
    PRIMARY KEY (sae, head, feature, token),
    FOREIGN KEY (sae, head) REFERENCES head (sae, head),
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

-- Levels of a feature around its examples, in the same context, whether in the
-- sample or not: at the active tokens up to 32 before and after a top example,
-- and up to 16 before and after one of another kind.
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
    value REAL NOT NULL,        -- the feature's activation
    PRIMARY KEY (sae, feature, head, rank),
    FOREIGN KEY (sae, feature) REFERENCES feature (sae, feature),
    FOREIGN KEY (sae, head) REFERENCES head (sae, head)
) STRICT, WITHOUT ROWID;
CREATE INDEX head_example_best ON head_example (sae, head, contribution)
    WHERE rank = 1;

-- Token strings and features: at how many tokens with this string the feature
-- is active, and how strongly. Kept are the pairs among the 32 most frequent,
-- the 32 strongest at one token, or the 32 strongest on average over all
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

-- Views. Each is meant to be asked with WHERE on a sae or layer and a feature,
-- a head or a token string, and comes in a useful order. CROSS JOIN tells
-- SQLite to join in the order written: from the few SAEs to the many rows, by
-- key. What is joined stands in WHERE, as ON behind CROSS JOIN is no standard
-- SQL: other programs that read SQLite files (DuckDB) understand the views too.

-- The strongest tokens of a feature, with the text around them.
--   SELECT before, text, value FROM top_tokens_of_feature
--   WHERE layer = 2 AND feature = 117;
CREATE VIEW top_tokens_of_feature AS
SELECT s.id AS sae, s.layer, e.feature, e.rank, v.text, e.value,
    (SELECT group_concat(text, '') FROM
        (SELECT w.text FROM token AS u JOIN vocab AS w ON w.id = u.vocab
         WHERE u.id BETWEEN t.id - 8 AND t.id - 1 AND u.context = t.context
         ORDER BY u.id)) AS before,
    (SELECT group_concat(text, '') FROM
        (SELECT w.text FROM token AS u JOIN vocab AS w ON w.id = u.vocab
         WHERE u.id BETWEEN t.id + 1 AND t.id + 8 AND u.context = t.context
         ORDER BY u.id)) AS after,
    e.token, t.context, t.position
FROM sae AS s
CROSS JOIN example AS e
CROSS JOIN token AS t
LEFT JOIN vocab AS v ON v.id = t.vocab
WHERE e.sae = s.id
    AND t.id = e.token
    AND e.kind = 'top'
ORDER BY s.id, e.feature, e.rank;

-- Examples of a feature of all kinds, by kind and interval: the strongest, some
-- from each interval of its activations, random ones, and tokens at which it is
-- silent. `tokens` says of how many they were drawn.
--   SELECT above, up_to, tokens, before, text, after, value
--   FROM examples_of_feature
--   WHERE layer = 2 AND feature = 117 AND kind = 'width';
CREATE VIEW examples_of_feature AS
SELECT s.id AS sae, s.layer, x.feature, x.kind, x.interval, x.above, x.up_to,
    x.tokens, e.rank, v.text, e.value,
    (SELECT group_concat(text, '') FROM
        (SELECT w.text FROM token AS u JOIN vocab AS w ON w.id = u.vocab
         WHERE u.id BETWEEN t.id - 8 AND t.id - 1 AND u.context = t.context
         ORDER BY u.id)) AS before,
    (SELECT group_concat(text, '') FROM
        (SELECT w.text FROM token AS u JOIN vocab AS w ON w.id = u.vocab
         WHERE u.id BETWEEN t.id + 1 AND t.id + 8 AND u.context = t.context
         ORDER BY u.id)) AS after,
    e.token, t.context, t.position
FROM sae AS s
CROSS JOIN example_set AS x
CROSS JOIN example AS e
CROSS JOIN token AS t
LEFT JOIN vocab AS v ON v.id = t.vocab
WHERE x.sae = s.id
    AND e.sae = x.sae AND e.feature = x.feature
    AND e.kind = x.kind AND e.interval = x.interval
    AND t.id = e.token
ORDER BY s.id, x.feature, x.kind, x.interval, e.rank;

-- The tokens at which a feature gets most through a head.
--   SELECT before, text, contribution FROM top_tokens_through_head
--   WHERE layer = 2 AND feature = 117 AND head = 3;
CREATE VIEW top_tokens_through_head AS
SELECT s.id AS sae, s.layer, e.head, e.feature, e.rank, v.text, e.contribution,
    e.value,
    (SELECT group_concat(text, '') FROM
        (SELECT w.text FROM token AS u JOIN vocab AS w ON w.id = u.vocab
         WHERE u.id BETWEEN t.id - 8 AND t.id - 1 AND u.context = t.context
         ORDER BY u.id)) AS before,
    (SELECT group_concat(text, '') FROM
        (SELECT w.text FROM token AS u JOIN vocab AS w ON w.id = u.vocab
         WHERE u.id BETWEEN t.id + 1 AND t.id + 8 AND u.context = t.context
         ORDER BY u.id)) AS after,
    e.token, t.context, t.position
FROM sae AS s
CROSS JOIN head_example AS e
CROSS JOIN token AS t
LEFT JOIN vocab AS v ON v.id = t.vocab
WHERE e.sae = s.id
    AND t.id = e.token
ORDER BY s.id, e.feature, e.head, e.rank;

-- The features of a token string, the strongest first; share is the part of
-- the string's occurrences at which the feature is active, mean_all its mean
-- over all of them.
--   SELECT layer, feature, max, share FROM features_of_token
--   WHERE text = ' Lily';
CREATE VIEW features_of_token AS
SELECT s.id AS sae, s.layer, v.text, p.feature, p.count,
    1.0 * p.count / u.count AS share, p.max, p.mean,
    p.mean * p.count / u.count AS mean_all, f.density, f.top_head, p.vocab
FROM vocab AS v
CROSS JOIN sae AS s
CROSS JOIN token_feature AS p
CROSS JOIN vocab_use AS u
CROSS JOIN feature AS f
WHERE p.sae = s.id AND p.vocab = v.id
    AND u.dump = s.dump AND u.vocab = v.id
    AND f.sae = p.sae AND f.feature = p.feature
ORDER BY p.max DESC;

-- The token strings of a feature, the most frequent first.
--   SELECT text, count, share, max FROM strings_of_feature
--   WHERE layer = 2 AND feature = 117;
CREATE VIEW strings_of_feature AS
SELECT s.id AS sae, s.layer, p.feature, v.text, p.count,
    1.0 * p.count / u.count AS share, p.max, p.mean,
    p.mean * p.count / u.count AS mean_all, p.vocab
FROM sae AS s
CROSS JOIN token_feature AS p
CROSS JOIN vocab_use AS u
CROSS JOIN vocab AS v
WHERE p.sae = s.id
    AND u.dump = s.dump AND u.vocab = p.vocab
    AND v.id = p.vocab
ORDER BY p.count DESC, p.max DESC;

-- The features of a head, by its share of their DFA.
--   SELECT feature, data_share, density FROM features_of_head
--   WHERE head_name = 'L2H3' LIMIT 10;
CREATE VIEW features_of_head AS
SELECT h.sae, s.layer, h.head, h.name AS head_name, p.feature, p.data_share,
    p.weight_share, f.density, f.max, f.top_head
FROM head AS h
CROSS JOIN sae AS s
CROSS JOIN feature_head AS p
CROSS JOIN feature AS f
WHERE s.id = h.sae
    AND p.sae = h.sae AND p.head = h.head
    AND f.sae = p.sae AND f.feature = p.feature
ORDER BY h.sae, h.head, p.data_share DESC;

-- The features whose decoder rows point most nearly the same way.
--   SELECT neighbour, cosine FROM neighbours_of_feature
--   WHERE layer = 2 AND feature = 117;
CREATE VIEW neighbours_of_feature AS
SELECT s.id AS sae, s.layer, n.feature, n.rank, n.neighbour, n.cosine,
    f.density, f.max, f.top_head
FROM sae AS s
CROSS JOIN feature_neighbour AS n
CROSS JOIN feature AS f
WHERE n.sae = s.id AND f.sae = n.sae AND f.feature = n.neighbour
ORDER BY s.id, n.feature, n.rank;

-- The features active together with a feature most beyond chance; times is how
-- often they are, as a multiple of what chance would do.
--   SELECT other, count, expected, times FROM features_that_fire_together
--   WHERE layer = 2 AND feature = 117;
CREATE VIEW features_that_fire_together AS
SELECT s.id AS sae, s.layer, p.feature, p.rank, p.other, p.count, p.expected,
    p.count / p.expected AS times, s.pair_tokens, f.density, f.max, f.top_head
FROM sae AS s
CROSS JOIN feature_pair AS p
CROSS JOIN feature AS f
WHERE p.sae = s.id AND f.sae = p.sae AND f.feature = p.other
ORDER BY s.id, p.feature, p.rank;

-- The tokens whose logits a feature raises (rank > 0) and lowers most.
--   SELECT text, logit FROM logits_of_feature
--   WHERE layer = 2 AND feature = 117 AND rank > 0;
CREATE VIEW logits_of_feature AS
SELECT s.id AS sae, s.layer, l.feature, l.rank, v.text, l.logit, l.vocab
FROM sae AS s
CROSS JOIN feature_logit AS l
CROSS JOIN vocab AS v
WHERE l.sae = s.id AND v.id = l.vocab
ORDER BY s.id, l.feature, l.rank;

-- The codes of a head in the sample, the most frequent first; share is of the
-- head's tokens with a code, data_share of the feature's DFA through the head.
--   SELECT feature, count, share, data_share FROM codes_of_head
--   WHERE head_name = 'L2H3' LIMIT 10;
CREATE VIEW codes_of_head AS
SELECT h.sae, s.layer, h.head, h.name AS head_name, c.feature, c.count,
    1.0 * c.count / h.codes AS share, p.data_share, f.density
FROM head AS h
CROSS JOIN sae AS s
CROSS JOIN head_code_count AS c
CROSS JOIN feature_head AS p
CROSS JOIN feature AS f
WHERE s.id = h.sae
    AND c.sae = h.sae AND c.head = h.head
    AND p.sae = c.sae AND p.feature = c.feature AND p.head = c.head
    AND f.sae = c.sae AND f.feature = c.feature
ORDER BY h.sae, h.head, c.count DESC, c.feature;

-- The groups of related features of a head (table head_group), the one that is
-- its code most often first: how many features, the share of the groups' codes,
-- and the strings that its features prefer most.
--   SELECT number, features, share, strings FROM groups_of_head
--   WHERE head_name = 'L2H3';
CREATE VIEW groups_of_head AS
SELECT h.sae, s.layer, h.head, h.name AS head_name, m.number,
    count(*) AS features, sum(c.count) AS codes,
    1.0 * sum(c.count) /
        (SELECT sum(k.count) FROM head_group AS o
         CROSS JOIN head_code_count AS k
         WHERE o.sae = h.sae AND o.head = h.head AND k.sae = o.sae
            AND k.head = o.head AND k.feature = o.feature) AS share,
    -- by activations at the string as a share of all of the feature's, less
    -- the string's share of all tokens, over the group's features
    (SELECT group_concat(text, '|') FROM
        (SELECT v.text, sum(t.count * t.mean / (f.mean * f.fires)
                            - 1.0 * u.count / d.tokens) AS more
         FROM head_group AS o CROSS JOIN feature AS f
         CROSS JOIN token_feature AS t CROSS JOIN vocab AS v
         CROSS JOIN dump AS d CROSS JOIN vocab_use AS u
         WHERE o.sae = h.sae AND o.head = h.head AND o.number = m.number
            AND f.sae = o.sae AND f.feature = o.feature
            AND t.sae = o.sae AND t.feature = o.feature
            AND v.id = t.vocab AND d.id = s.dump
            AND u.dump = d.id AND u.vocab = t.vocab
         GROUP BY v.id, v.text
         ORDER BY more DESC, v.id LIMIT 8)) AS strings
FROM head AS h
CROSS JOIN sae AS s
CROSS JOIN head_group AS m
CROSS JOIN head_code_count AS c
WHERE s.id = h.sae AND m.sae = h.sae AND m.head = h.head
    AND c.sae = m.sae AND c.head = m.head AND c.feature = m.feature
GROUP BY h.sae, s.layer, s.dump, h.head, h.name, m.number
ORDER BY h.sae, h.head, m.number;

-- Which heads do several unrelated things, the most such first: into how many
-- groups of related features (table head_group) a head's own features fall, and
-- how evenly its codes divide over them. effective_groups is 1 / (sum of the
-- squared shares): 1 for one group, n for n equal ones, and steadier than their
-- number. covered is the share of the head's codes that are in a group: the
-- others are features that the head has in common with others. A head without
-- features of its own has no groups. After Kissane et al. 2024, section 4.1.
--   SELECT head_name, features, groups, effective_groups, largest_share
--   FROM polysemantic_heads;
CREATE VIEW polysemantic_heads AS
SELECT h.sae, s.layer, h.head, h.name AS head_name,
    coalesce(g.features, 0) AS features, coalesce(g.groups, 0) AS groups,
    1.0 * g.codes * g.codes / g.squares AS effective_groups,
    1.0 * g.largest / g.codes AS largest_share,
    1.0 * coalesce(g.codes, 0) / nullif(h.codes, 0) AS covered,
    h.code_entropy
FROM head AS h
CROSS JOIN sae AS s
LEFT JOIN (
    SELECT sae, head, sum(features) AS features, count(*) AS groups,
        sum(codes) AS codes, max(codes) AS largest,
        sum(1.0 * codes * codes) AS squares
    FROM (
        SELECT m.sae, m.head, m.number, count(*) AS features,
            sum(c.count) AS codes
        FROM head_group AS m CROSS JOIN head_code_count AS c
        WHERE c.sae = m.sae AND c.head = m.head AND c.feature = m.feature
        GROUP BY m.sae, m.head, m.number) AS one
    GROUP BY sae, head) AS g ON g.sae = h.sae AND g.head = h.head
WHERE s.id = h.sae
ORDER BY effective_groups DESC;

-- At what share of the tokens of which positions a feature is active.
--   SELECT first, last, density FROM positions_of_feature
--   WHERE layer = 2 AND feature = 117;
CREATE VIEW positions_of_feature AS
SELECT s.id AS sae, s.layer, f.feature, b.bin, b.first, b.last, b.tokens,
    coalesce(p.fires, 0) AS fires,
    1.0 * coalesce(p.fires, 0) / b.tokens AS density
FROM sae AS s
CROSS JOIN feature AS f
CROSS JOIN position_bin AS b
LEFT JOIN feature_position AS p ON p.sae = f.sae AND p.feature = f.feature
    AND p.bin = b.bin
WHERE f.sae = s.id
    AND b.dump = s.dump
ORDER BY s.id, f.feature, b.bin;

-- At what share of the tokens of a document group a feature is active.
--   SELECT group_name, density FROM density_by_group
--   WHERE layer = 2 AND feature = 117;
CREATE VIEW density_by_group AS
SELECT s.id AS sae, s.layer, f.feature, g.name AS group_name, g.tokens,
    coalesce(p.fires, 0) AS fires,
    1.0 * coalesce(p.fires, 0) / g.tokens AS density
FROM sae AS s
CROSS JOIN feature AS f
CROSS JOIN document_group AS g
LEFT JOIN feature_group AS p ON p.sae = f.sae AND p.feature = f.feature
    AND p.document_group = g.id
WHERE f.sae = s.id
    AND g.dump = s.dump
ORDER BY s.id, f.feature, density DESC;

-- The features whose density changes most between two document groups. They are
-- ranked by chi_square of active and silent tokens in the two, which is large
-- where the change is both large and not a matter of few tokens. Tokens of one
-- text are not independent: take it as an order, not as a test. Reads all
-- features of the SAE; name both groups.
--   SELECT feature, density_a, density_b FROM density_change
--   WHERE layer = 2 AND group_a = 'stories.txt' AND group_b = 'news.txt'
--   LIMIT 10;
CREATE VIEW density_change AS
SELECT sae, layer, feature, group_a, group_b,
    1.0 * fires_a / tokens_a AS density_a,
    1.0 * fires_b / tokens_b AS density_b,
    1.0 * fires_b / tokens_b - 1.0 * fires_a / tokens_a AS change,
    -- (the difference of the densities)^2 over its variance if there were none
    (1.0 * fires_b / tokens_b - 1.0 * fires_a / tokens_a)
        * (1.0 * fires_b / tokens_b - 1.0 * fires_a / tokens_a)
        / (1.0 * (fires_a + fires_b) / (tokens_a + tokens_b))
        / nullif(1 - 1.0 * (fires_a + fires_b) / (tokens_a + tokens_b), 0)
        / (1.0 / tokens_a + 1.0 / tokens_b) AS chi_square
FROM (
    SELECT s.id AS sae, s.layer, f.feature, a.name AS group_a,
        b.name AS group_b, a.tokens AS tokens_a, b.tokens AS tokens_b,
        coalesce(p.fires, 0) AS fires_a, coalesce(q.fires, 0) AS fires_b
    FROM sae AS s
    CROSS JOIN document_group AS a
    CROSS JOIN document_group AS b
    CROSS JOIN feature AS f
    LEFT JOIN feature_group AS p ON p.sae = f.sae AND p.feature = f.feature
        AND p.document_group = a.id
    LEFT JOIN feature_group AS q ON q.sae = f.sae AND q.feature = f.feature
        AND q.document_group = b.id
    WHERE a.dump = s.dump
        AND b.dump = s.dump AND b.id <> a.id
        AND f.sae = s.id)
WHERE fires_a + fires_b > 0
ORDER BY chi_square DESC;

-- Tokens of the sample with the code of a head there.
--   SELECT text, token FROM tokens_of_head_code
--   WHERE head_name = 'L2H3' AND feature = 117;
CREATE VIEW tokens_of_head_code AS
SELECT c.sae, s.layer, c.head, h.name AS head_name, c.feature, v.text, c.token,
    t.context, t.position
FROM head AS h
CROSS JOIN sae AS s
CROSS JOIN head_code AS c
CROSS JOIN token AS t
LEFT JOIN vocab AS v ON v.id = t.vocab
WHERE s.id = h.sae
    AND c.sae = h.sae AND c.head = h.head
    AND t.id = c.token;

-- The features active at a token of the sample, the strongest first, as values.
--   SELECT layer, feature, value FROM features_at_token WHERE token = 1234;
CREATE VIEW features_at_token AS
SELECT s.id AS sae, s.layer, a.token, a.feature, a.level,
    (a.level - 0.5) * f.scale AS value, f.max, f.density
FROM sae AS s
CROSS JOIN activation_by_token AS a
CROSS JOIN feature AS f
WHERE a.sae = s.id
    AND f.sae = a.sae AND f.feature = a.feature
ORDER BY a.level DESC;

-- Tokens of the sample at which a feature is active, in the order of the text.
--   SELECT text, value FROM tokens_of_feature
--   WHERE layer = 2 AND feature = 117;
CREATE VIEW tokens_of_feature AS
SELECT s.id AS sae, s.layer, a.feature, v.text, a.level,
    (a.level - 0.5) * f.scale AS value, a.token, t.context, t.position
FROM sae AS s
CROSS JOIN activation AS a
CROSS JOIN feature AS f
CROSS JOIN token AS t
LEFT JOIN vocab AS v ON v.id = t.vocab
WHERE a.sae = s.id
    AND f.sae = a.sae AND f.feature = a.feature
    AND t.id = a.token
ORDER BY s.id, a.feature, a.token;
