-- +goose Up
-- What became of a member's feedback: who took care of it, when, and his note (sealed,
-- bound to the id).
CREATE TABLE chat_feedback_done (
    feedback_id BIGINT NOT NULL PRIMARY KEY,
    operator_id BIGINT NOT NULL,
    note        TEXT NOT NULL,
    done_at     BIGINT NOT NULL
);
