-- What became of deliveries. A delivery that has no row here and lies above its target's
-- watermark has not been tried yet; below it, it was delivered. So a retry that is delivered
-- above the watermark keeps its row until the watermark has passed it. What was cancelled, and what
-- no route asked for because an operator moved it here, keeps its row as long as there is its event.

-- name: schema
CREATE TABLE IF NOT EXISTS watermarks (
    target   TEXT PRIMARY KEY, -- '' holds the floor: no target without a row has anything at or below it
    sequence INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS exceptions (
    target   TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    variant  TEXT NOT NULL,
    state    TEXT NOT NULL CHECK (state IN ('retrying', 'dead', 'delivered', 'cancelled')),
    at       REAL NOT NULL,    -- retrying: when it is due; otherwise: when it was settled
    attempts BLOB NOT NULL,    -- msgpack
    origin   TEXT NOT NULL,    -- the target of the route it was moved from; '': its own target's
    PRIMARY KEY (target, sequence, variant)
) STRICT, WITHOUT ROWID;
-- Each target's by time: the backlog of one is no work for the others.
CREATE INDEX IF NOT EXISTS exceptions_by_time ON exceptions (target, state, at);
CREATE INDEX IF NOT EXISTS exceptions_by_place ON exceptions (target, state, sequence, variant);
CREATE VIEW IF NOT EXISTS exceptional_targets (target) AS
WITH RECURSIVE found (target) AS ( -- a step for each target, not for each row
    SELECT min(target) FROM exceptions
    UNION ALL
    SELECT (SELECT min(target) FROM exceptions WHERE target > found.target)
    FROM found WHERE found.target IS NOT NULL
)
SELECT target FROM found WHERE target IS NOT NULL;
CREATE TABLE IF NOT EXISTS configurations (
    version TEXT PRIMARY KEY,
    text    TEXT NOT NULL
) STRICT;

-- name: watermarks
SELECT target, sequence FROM watermarks

-- name: set_watermark
INSERT INTO watermarks (target, sequence) VALUES (?, ?)
ON CONFLICT (target) DO UPDATE SET sequence = excluded.sequence

-- name: set_exception
INSERT INTO exceptions (target, sequence, variant, state, at, attempts, origin) VALUES (?, ?, ?, ?, ?, ?, '')
ON CONFLICT (target, sequence, variant)
DO UPDATE SET state = excluded.state, at = excluded.at, attempts = excluded.attempts

-- name: move_exception
INSERT INTO exceptions (target, sequence, variant, state, at, attempts, origin) VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: end_moved
UPDATE exceptions SET state = 'delivered', at = ?, attempts = ?
WHERE target = ? AND sequence = ? AND variant = ? AND origin <> ''

-- name: end_exception
DELETE FROM exceptions WHERE target = ? AND sequence = ? AND variant = ? AND origin = ''

-- name: exceptions_between
SELECT sequence, variant FROM exceptions WHERE target = ? AND sequence BETWEEN ? AND ?

-- name: exceptions_after
SELECT sequence, variant FROM exceptions WHERE target = ? AND sequence > ? AND origin = ''
ORDER BY sequence

-- name: open_between
SELECT DISTINCT sequence FROM exceptions
WHERE target = ? AND state IN ('retrying', 'dead') AND sequence BETWEEN ? AND ?

-- name: ended_below
SELECT target, sequence, variant FROM exceptions
WHERE target = ? AND state IN ('delivered', 'cancelled') AND sequence < ?

-- name: forget_ended
DELETE FROM exceptions
WHERE target = ? AND sequence = ? AND variant = ? AND state IN ('delivered', 'cancelled')

-- name: early
SELECT found.target, sequence, variant
FROM exceptional_targets AS found JOIN exceptions INDEXED BY exceptions_by_place USING (target)
WHERE state = 'delivered' AND origin = ''

-- name: due
SELECT
    target,
    (SELECT min(at) FROM exceptions AS e WHERE e.target = found.target AND state = 'retrying' AND at <= ?1),
    (SELECT min(at) FROM exceptions AS e WHERE e.target = found.target AND state = 'retrying' AND at > ?1)
FROM exceptional_targets AS found

-- name: due_of_target
SELECT sequence, variant, attempts, origin FROM exceptions
WHERE state = 'retrying' AND at <= ? AND target = ? ORDER BY at LIMIT ?

-- name: exception
SELECT state, at, attempts, origin FROM exceptions WHERE target = ? AND sequence = ? AND variant = ?

-- name: exceptions_of_event
SELECT found.target, variant, state, at, attempts, origin
FROM exceptional_targets AS found JOIN exceptions USING (target) WHERE sequence = ?

-- name: exceptional_targets
SELECT target FROM exceptional_targets

-- name: standing
SELECT sequence, target, variant, at, attempts, origin FROM exceptions
WHERE target = ? AND state = ? AND sequence >= ? ORDER BY sequence, variant

-- name: tally
SELECT target, state, count(*) FROM exceptions WHERE state IN ('retrying', 'dead') GROUP BY target, state

-- name: upcoming
SELECT target, (SELECT min(at) FROM exceptions AS e WHERE e.target = found.target AND state = 'retrying')
FROM exceptional_targets AS found

-- name: remember
INSERT OR IGNORE INTO configurations (version, text) VALUES (?, ?)

-- name: recall
SELECT text FROM configurations WHERE version = ?
