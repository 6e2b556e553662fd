-- What became of deliveries. A delivery that has no row here and lies above its target's
-- watermark has not been tried yet; below it, it was delivered.

-- name: schema
CREATE TABLE IF NOT EXISTS watermarks (
    target   TEXT PRIMARY KEY, -- '' holds the floor: no target without a row has anything at or below it
    sequence INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS exceptions (
    target   TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    variant  TEXT NOT NULL,
    state    TEXT NOT NULL CHECK (state IN ('retrying', 'dead')),
    at       REAL NOT NULL,    -- retrying: when it is due; dead: when it was given up
    attempts BLOB NOT NULL,    -- msgpack
    PRIMARY KEY (target, sequence, variant)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS exceptions_by_time ON exceptions (state, at);
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
INSERT INTO exceptions (target, sequence, variant, state, at, attempts) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (target, sequence, variant)
DO UPDATE SET state = excluded.state, at = excluded.at, attempts = excluded.attempts

-- name: delete_exception
DELETE FROM exceptions WHERE target = ? AND sequence = ? AND variant = ?

-- name: exceptions_between
SELECT sequence, variant FROM exceptions WHERE target = ? AND sequence BETWEEN ? AND ?

-- name: exception_keys_after
SELECT target, sequence, variant FROM exceptions WHERE sequence > ?

-- name: targets_due
SELECT DISTINCT target FROM exceptions WHERE state = 'retrying' AND at <= ?

-- name: next_due
SELECT min(at) FROM exceptions WHERE state = 'retrying' AND at > ?

-- name: due_of_target
SELECT sequence, variant, attempts FROM exceptions
WHERE state = 'retrying' AND at <= ? AND target = ? ORDER BY at LIMIT ?

-- name: dead
SELECT target, sequence, variant, at, attempts FROM exceptions WHERE state = 'dead' ORDER BY at

-- name: tally
SELECT target, state, count(*) FROM exceptions GROUP BY target, state

-- name: remember
INSERT OR IGNORE INTO configurations (version, text) VALUES (?, ?)

-- name: recall
SELECT text FROM configurations WHERE version = ?
