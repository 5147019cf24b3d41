-- One append: takes the head row's lock, puts prev and seq into each prepared record, hashes, stores.
-- p_guard holds, per write of the same statement, how many rows it touched: with any 0 nothing is appended.
CREATE FUNCTION expacti_audit_append(
    p_log uuid, p_guard bigint[], p_event uuid[], p_type text[], p_obj text[], p_actor text[],
    p_ts timestamptz, p_before text[], p_after text[], p_salt bytea[], p_payload bytea[]
) RETURNS TABLE (seq bigint, leaf bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp AS $$
DECLARE
    v_size bigint;
    v_prev bytea;
    v_raw text;
BEGIN
    IF 0 = ANY (p_guard) THEN
        -- One write that touched nothing is a compare-and-set that lost. Of several, the others have
        -- been done by now: only an error takes the whole statement back.
        IF cardinality(p_guard) > 1 THEN
            RAISE EXCEPTION 'a write of this statement touched no row' USING ERRCODE = 'EX001';
        END IF;
        RETURN;
    END IF;
    SELECT l.size, l.last_leaf INTO STRICT v_size, v_prev
        FROM {schema}.audit_log l WHERE l.id = p_log FOR UPDATE;
    FOR i IN 1 .. cardinality(p_event) LOOP
        v_raw := p_before[i] || '"prev":"' || encode(v_prev, 'hex') || '","seq":' || v_size || p_after[i];
        v_prev := sha256('\x00'::bytea || convert_to(v_raw, 'UTF8'));
        INSERT INTO {schema}.audit_event
            (event_id, log_id, seq, ts, type, obj, actor, raw, leaf_hash, salt, payload)
        VALUES (p_event[i], p_log, v_size, p_ts, p_type[i], p_obj[i], p_actor[i], v_raw, v_prev,
                p_salt[i], p_payload[i]);
        seq := v_size;
        leaf := v_prev;
        v_size := v_size + 1;
        RETURN NEXT;
    END LOOP;
    UPDATE {schema}.audit_log l SET size = v_size, prev_leaf = l.last_leaf, last_leaf = v_prev WHERE l.id = p_log;
END
$$;

CREATE FUNCTION expacti_audit_open_log(p_id uuid, p_organization uuid, p_origin text, p_genesis bytea)
RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp AS $$
    INSERT INTO {schema}.audit_log (id, organization_id, origin, size, last_leaf, prev_leaf)
    VALUES (p_id, p_organization, p_origin, 0, p_genesis, p_genesis)
$$;

CREATE FUNCTION expacti_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only: % on % refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER audit_event_immutable BEFORE UPDATE OR DELETE ON audit_event
    FOR EACH ROW EXECUTE FUNCTION expacti_audit_refuse();
CREATE TRIGGER audit_event_no_truncate BEFORE TRUNCATE ON audit_event
    FOR EACH STATEMENT EXECUTE FUNCTION expacti_audit_refuse();
-- A head only grows. The condition is the trigger's own, so that an append does not pay for a call.
CREATE TRIGGER audit_log_grows BEFORE UPDATE ON audit_log FOR EACH ROW
    WHEN (NEW.size <= OLD.size OR NEW.id <> OLD.id OR NEW.origin <> OLD.origin
        OR NEW.organization_id IS DISTINCT FROM OLD.organization_id)
    EXECUTE FUNCTION expacti_audit_refuse();
CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION expacti_audit_refuse();
CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION expacti_audit_refuse();
ALTER TABLE audit_event ENABLE ALWAYS TRIGGER audit_event_immutable;
ALTER TABLE audit_event ENABLE ALWAYS TRIGGER audit_event_no_truncate;
ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_grows;
ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_no_delete;
ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_no_truncate;

-- A head is updated at every append: leave room for HOT updates on its page.
ALTER TABLE audit_log SET (fillfactor = 10);

REVOKE ALL ON FUNCTION expacti_audit_append FROM PUBLIC;
REVOKE ALL ON FUNCTION expacti_audit_open_log FROM PUBLIC;

-- The same for one record, which is the common case: no arrays to build, no loop, and one UPDATE that
-- locks the head, hashes, and says what prev was, so that the lock is held as briefly as can be.
CREATE FUNCTION expacti_audit_append_one(
    p_log uuid, p_guard bigint[], p_event uuid, p_type text, p_obj text, p_actor text,
    p_ts timestamptz, p_before text, p_after text, p_salt bytea, p_payload bytea
) RETURNS TABLE (seq bigint, leaf bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp AS $$
DECLARE
    v_prev bytea;
BEGIN
    IF 0 = ANY (p_guard) THEN
        -- One write that touched nothing is a compare-and-set that lost. Of several, the others have
        -- been done by now: only an error takes the whole statement back.
        IF cardinality(p_guard) > 1 THEN
            RAISE EXCEPTION 'a write of this statement touched no row' USING ERRCODE = 'EX001';
        END IF;
        RETURN;
    END IF;
    UPDATE {schema}.audit_log l SET
        size = l.size + 1,
        prev_leaf = l.last_leaf,
        last_leaf = sha256('\x00'::bytea || convert_to(
            p_before || '"prev":"' || encode(l.last_leaf, 'hex') || '","seq":' || l.size || p_after, 'UTF8'))
        WHERE l.id = p_log
        RETURNING l.size - 1, l.prev_leaf, l.last_leaf INTO STRICT seq, v_prev, leaf;
    INSERT INTO {schema}.audit_event
        (event_id, log_id, seq, ts, type, obj, actor, raw, leaf_hash, salt, payload)
    VALUES (p_event, p_log, expacti_audit_append_one.seq, p_ts, p_type, p_obj, p_actor,
            p_before || '"prev":"' || encode(v_prev, 'hex') || '","seq":' || expacti_audit_append_one.seq || p_after,
            leaf, p_salt, p_payload);
    RETURN NEXT;
END
$$;

REVOKE ALL ON FUNCTION expacti_audit_append_one FROM PUBLIC;
