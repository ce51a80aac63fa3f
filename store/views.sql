-- SPDX-License-Identifier: MIT
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
    (e.level - 0.5) * f.scale AS value,
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
CROSS JOIN feature AS f
CROSS JOIN token AS t
LEFT JOIN vocab AS v ON v.id = t.vocab
WHERE e.sae = s.id
    AND f.sae = e.sae AND f.feature = e.feature
    AND t.id = e.token
ORDER BY s.id, e.feature, e.head, e.rank;

-- The sources of an example: the tokens that its activation comes from, the
-- largest contribution first. distance is how many tokens back they lie.
--   SELECT head, source_text, distance, contribution FROM sources_of_example
--   WHERE layer = 2 AND feature = 117 LIMIT 5;
CREATE VIEW sources_of_example AS
SELECT s.id AS sae, s.layer, e.feature, e.token, v.text, e.head, e.rank,
    e.source, w.text AS source_text, e.token - e.source AS distance,
    e.contribution,
    (SELECT group_concat(text, '') FROM
        (SELECT x.text FROM token AS y JOIN vocab AS x ON x.id = y.vocab
         WHERE y.id BETWEEN u.id - 8 AND u.id - 1 AND y.context = u.context
         ORDER BY y.id)) AS source_before,
    u.position AS source_position, t.position, t.context
FROM sae AS s
CROSS JOIN example_source AS e
CROSS JOIN token AS t
CROSS JOIN token AS u
LEFT JOIN vocab AS v ON v.id = t.vocab
LEFT JOIN vocab AS w ON w.id = u.vocab
WHERE e.sae = s.id
    AND t.id = e.token
    AND u.id = e.source
ORDER BY s.id, e.feature, e.token, e.contribution DESC;

-- How many tokens back a feature's sources lie.
--   SELECT first, last, share, count FROM source_offsets_of_feature
--   WHERE layer = 2 AND feature = 117;
CREATE VIEW source_offsets_of_feature AS
SELECT s.id AS sae, s.layer, o.feature, o.bin, b.first, b.last, o.share, o.count
FROM sae AS s
CROSS JOIN feature_source_offset AS o
CROSS JOIN position_bin AS b
WHERE o.sae = s.id
    AND b.dump = s.dump AND b.bin = o.bin
ORDER BY s.id, o.feature, o.bin;

-- The token strings that a feature reads: its strongest sources.
--   SELECT text, share, count FROM source_tokens_of_feature
--   WHERE layer = 2 AND feature = 117;
CREATE VIEW source_tokens_of_feature AS
SELECT s.id AS sae, s.layer, o.feature, o.rank, v.text, o.share, o.count,
    o.vocab
FROM sae AS s
CROSS JOIN feature_source_token AS o
CROSS JOIN vocab AS v
WHERE o.sae = s.id
    AND v.id = o.vocab
ORDER BY s.id, o.feature, o.rank;

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

-- The code of a head at a token of the sample. No row: no active feature has
-- any DFA of the head. Made for asking what the codes at a token are.
--   SELECT head_name, feature FROM head_code WHERE sae = 3 AND token = 1234;
CREATE VIEW head_code AS
SELECT a.sae, s.layer, a.token, h.head, h.name AS head_name, a.feature, a.level
FROM sae AS s
CROSS JOIN activation_by_token AS a
CROSS JOIN head AS h
WHERE a.sae = s.id AND a.heads <> 0
    AND h.sae = a.sae AND ((a.heads >> h.head) & 1) = 1;

-- Tokens of the sample at which a feature is the code of a head.
--   SELECT text, token FROM tokens_of_head_code
--   WHERE head_name = 'L2H3' AND feature = 117;
CREATE VIEW tokens_of_head_code AS
SELECT h.sae, s.layer, h.head, h.name AS head_name, a.feature, v.text, a.token,
    t.context, t.position
FROM head AS h
CROSS JOIN sae AS s
CROSS JOIN activation AS a
CROSS JOIN activation_by_token AS b
CROSS JOIN token AS t
LEFT JOIN vocab AS v ON v.id = t.vocab
WHERE s.id = h.sae
    AND a.sae = h.sae
    AND b.sae = a.sae AND b.token = a.token AND b.feature = a.feature
    AND ((b.heads >> h.head) & 1) = 1
    AND t.id = a.token;

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

-- The node score of headscope circuit codes, from the codes of heads at the
-- tokens of labelled prompts: how many codes only positives have, at the token
-- whose prediction counts (score_last) and at any token (score_all). Prompts
-- outside the sample have no codes.
--   SELECT head_name, score_last FROM node_score_from_codes
--   ORDER BY score_last DESC;
CREATE VIEW node_score_from_codes AS
SELECT s.dump, h.sae, s.layer, h.head, h.name AS head_name,
    coalesce(sum(c.last = 1), 0) AS score_last,
    coalesce(sum(c.label = 1), 0) AS score_all
FROM head AS h
JOIN sae AS s ON s.id = h.sae
LEFT JOIN (
    SELECT k.sae, k.head, k.feature, min(p.label) AS label,
        min(CASE WHEN k.token = p.token THEN p.label END) AS last
    FROM prompt AS p
    CROSS JOIN context AS x
    CROSS JOIN token AS t
    CROSS JOIN sae AS o
    CROSS JOIN head_code AS k
    WHERE p.label IS NOT NULL AND x.id = p.context
        AND t.id >= x.first_token AND t.id < x.first_token + x.tokens
        AND o.dump = x.dump AND k.sae = o.id AND k.token = t.id
    GROUP BY k.sae, k.head, k.feature
) AS c ON c.sae = h.sae AND c.head = h.head
GROUP BY h.sae, h.head;

-- The node score from the codes themselves: how many codes of a head only
-- positive prompts have. It is circuit_head.score of the first seed.
CREATE VIEW node_score_of_head AS
SELECT h.circuit, h.layer, h.head, h.name, count(c.code) AS score,
    h.score AS mean_score, h.in_circuit
FROM circuit_head AS h
LEFT JOIN (
    SELECT circuit, layer, head, code
    FROM circuit_code JOIN circuit_prompt USING (circuit, prompt)
    GROUP BY circuit, layer, head, code
    HAVING min(label) = 1
) AS c USING (circuit, layer, head)
GROUP BY h.circuit, h.layer, h.head;

-- Codes of a head that only positive prompts have, with how many have them.
--     SELECT head_name, code, prompts, text FROM positive_codes_of_head
--     WHERE circuit = 1 ORDER BY prompts DESC;
CREATE VIEW positive_codes_of_head AS
SELECT c.circuit, h.name AS head_name, c.layer, c.head, c.code,
    count(*) AS prompts, min(p.text) AS text
FROM circuit_code AS c
JOIN circuit_prompt AS p USING (circuit, prompt)
JOIN circuit_head AS h USING (circuit, layer, head)
GROUP BY c.circuit, c.layer, c.head, c.code
HAVING min(p.label) = 1;

-- How far the true circuits of two tasks share heads: both is |A and B|,
-- jaccard |A and B| / |A or B|, of_first |A and B| / |A|, and expected what
-- both would be if the second circuit were drawn at random.
CREATE VIEW circuit_overlap AS
SELECT a.circuit, x.name, b.circuit AS other, y.name AS other_name,
    sum(a.in_circuit) AS heads, sum(b.in_circuit) AS other_heads,
    sum(a.in_circuit AND b.in_circuit) AS both,
    1.0 * sum(a.in_circuit AND b.in_circuit)
        / sum(a.in_circuit OR b.in_circuit) AS jaccard,
    1.0 * sum(a.in_circuit AND b.in_circuit) / sum(a.in_circuit) AS of_first,
    1.0 * sum(a.in_circuit) * sum(b.in_circuit) / count(*) AS expected
FROM circuit_head AS a
JOIN circuit_head AS b ON b.layer = a.layer AND b.head = a.head
    AND b.circuit <> a.circuit
JOIN circuit AS x ON x.id = a.circuit
JOIN circuit AS y ON y.id = b.circuit
WHERE a.in_circuit IS NOT NULL AND b.in_circuit IS NOT NULL
GROUP BY a.circuit, b.circuit;
