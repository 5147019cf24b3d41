-- SQLite has no roles: these triggers stop the application's own mistakes and stray SQL, and the
-- chain shows what someone with the file did all the same. A payload may go, with its salt, as erasure
-- does; nothing else of a record may ever change.
CREATE TRIGGER audit_event_no_update BEFORE UPDATE ON audit_event
WHEN OLD.salt IS NULL OR NEW.payload IS NOT NULL OR NEW.salt IS NOT NULL
    OR NEW.event_id IS NOT OLD.event_id OR NEW.log_id IS NOT OLD.log_id OR NEW.seq IS NOT OLD.seq
    OR NEW.ts IS NOT OLD.ts OR NEW.type IS NOT OLD.type OR NEW.obj IS NOT OLD.obj
    OR NEW.actor IS NOT OLD.actor OR NEW.raw IS NOT OLD.raw OR NEW.leaf_hash IS NOT OLD.leaf_hash
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only: UPDATE refused'); END;
--
CREATE TRIGGER audit_event_no_delete BEFORE DELETE ON audit_event
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only: DELETE refused'); END;
--
-- INSERT OR REPLACE fires no delete trigger; it does fire this one.
CREATE TRIGGER audit_event_in_order BEFORE INSERT ON audit_event
WHEN NEW.seq IS NOT (SELECT size FROM audit_log WHERE id = NEW.log_id)
    OR EXISTS (SELECT 1 FROM audit_event WHERE event_id = NEW.event_id)
    OR EXISTS (SELECT 1 FROM audit_event WHERE log_id = NEW.log_id AND seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only: INSERT out of order refused'); END;
--
CREATE TRIGGER audit_log_grows BEFORE UPDATE ON audit_log
WHEN NEW.size <> OLD.size + 1 OR NEW.id IS NOT OLD.id OR NEW.origin IS NOT OLD.origin
    OR NEW.organization_id IS NOT OLD.organization_id
BEGIN SELECT RAISE(ABORT, 'the head of an audit log only grows'); END;
--
CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only: DELETE refused'); END;
--
CREATE TRIGGER audit_log_once BEFORE INSERT ON audit_log
WHEN EXISTS (SELECT 1 FROM audit_log WHERE id = NEW.id OR origin = NEW.origin
             OR organization_id = NEW.organization_id)
BEGIN SELECT RAISE(ABORT, 'this audit log is open already'); END;
