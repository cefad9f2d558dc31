-- Ours, beside the given schema: what spending points takes, in a database of its own made from the given one, so that
-- reads and earns are measured on the given one untouched. Eight earns a customer, of which the first is spent.
insert into loyalty.points_lot(customer_id, remaining, expires_at)
select c, case when lot = 1 then 0 else 500 * (1 + c % 4) end, now() + interval '10 months' + lot * interval '1 week'
from generate_series(1, 8) lot, generate_series(1, 100000) c order by lot, c;
update loyalty.points_account set balance = 7 * 500 * (1 + customer_id % 4), lifetime = 8 * 500 * (1 + customer_id % 4);
-- The statements of redeem.pgbench in one function, as earn_points has those of earn.pgbench.
create function loyalty.redeem_points(customer bigint, points bigint, key text) returns loyalty.points_entry language plpgsql volatile as $$
declare e loyalty.points_entry;
begin
  update loyalty.points_account a set balance = a.balance - redeem_points.points
  where a.customer_id = redeem_points.customer and a.balance >= redeem_points.points;
  if not found then
    raise exception 'not enough points';
  end if;
  insert into loyalty.points_entry(customer_id, kind, points, idempotency_key) values (customer, 'redeem', points, key) returning * into e;
  update loyalty.points_lot l set remaining = l.remaining - least(o.remaining, redeem_points.points - o.earlier)
  from (
    select lot.id, lot.remaining, sum(lot.remaining) over (order by lot.expires_at, lot.id) - lot.remaining as earlier
    from loyalty.points_lot lot where lot.customer_id = redeem_points.customer and lot.remaining > 0
  ) o
  where l.id = o.id and o.earlier < redeem_points.points;
  insert into loyalty.outbox(topic, payload) values ('points.redeemed', jsonb_build_object('customer', customer, 'points', points));
  return e;
end $$;
