//! Every place in the schema that takes an id is tried with ids of nothing, of other types and of other people's things:
//! whoever asks gets one and the same answer, and nothing changes.

mod feedback;
mod messages;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;

use entity::staff::Role;
use futures_util::FutureExt;
use regulars::graphql::access::Operation;
use regulars::graphql::global_id::{NodeType, global_id, read};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::support::{Caller, TestApp, Told, both_engines};

/// To whom the existing thing of the right type is as if it were not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HiddenFrom {
    /// No caller.
    Nobody,
    /// Customers other than its own, and nobody we know.
    Strangers,
    /// Every caller of the test, with the rest of this input.
    All,
}

/// A place that takes an id.
#[derive(Debug)]
struct Place {
    operation: &'static str,
    path: &'static str,
    of: NodeType,
    hidden: HiddenFrom,
    /// What a mutation is refused with.
    code: &'static str,
    /// A valid input but for the id; one that has an id in the place names an existing thing there.
    rest: Json,
}

fn place(operation: &'static str, path: &'static str, of: NodeType, hidden: HiddenFrom, rest: Json) -> Place {
    Place { operation, path, of, hidden, code: "NOT_FOUND", rest }
}

/// A mutation about one thing.
fn of_one(operation: &'static str, path: &'static str, of: NodeType, hidden: HiddenFrom) -> Place {
    place(operation, path, of, hidden, json!({ "input": {} }))
}

/// A mutation that takes a code, which is the right one of the existing challenge.
fn of_code(operation: &'static str, hidden: HiddenFrom, input: &Json) -> Place {
    let rest = json!({ "input": input });
    Place {
        code: "CODE_INVALID",
        ..place(operation, "input.challengeId", NodeType::MailboxChallenge, hidden, rest)
    }
}

/// Things of Joan, and of the shop.
#[derive(Debug)]
struct Existing {
    joan: Caller,
    things: Vec<(NodeType, String)>,
    /// A product that can be waited for.
    sold_out: String,
    /// Her order that is paid, and a line of another one.
    order: String,
    other_line: String,
    code_to_sign_in: Json,
    code_to_reset: Json,
    code_to_change: Json,
}

impl Existing {
    async fn made(shop: &TestApp, server: &Caller, owner: &Caller) -> Self {
        let joan = shop.as_member(server, 100).await;
        let id = |thing: &Json| thing["id"].as_str().unwrap().to_owned();
        let order = shop.place(server, joan.customer_id(), "10.00", 1).await;
        let another = shop.place(server, joan.customer_id(), "10.00", 1).await;
        shop.step(server, "orderPay", &order).await;
        let guest = shop.record(server, json!({ "email": "guest@example.org" })).await;
        let product = shop.done(server, "productUpsert", json!({ "sku": "A-1", "name": "Tea" })).await;
        let sold_out = json!({ "sku": "A-2", "name": "Pot", "stock": 0 });
        let sold_out = id(&shop.done(server, "productUpsert", sold_out).await["product"]);
        let hold = shop.done(&joan, "pointsHold", json!({ "points": 10 })).await;
        let home = json!({ "line1": "Dam 1", "city": "Amsterdam", "country": "NL" });
        let address = shop.done(&joan, "customerAddressCreate", json!({ "address": home })).await;
        let rule = json!({ "code": "extra", "name": "Extra", "bonus": 1 });
        let rule = shop.done(owner, "earningRuleDraft", rule).await;
        let coupon = json!({ "code": "TEN", "name": "Ten off", "percent": "0.1" });
        let coupon = shop.done(owner, "couponCreate", coupon).await;
        let reserve = json!({ "code": "TEN", "cart": cart() });
        let used = shop.done(&joan, "couponReserve", reserve).await;
        let (slot, slot_hold) = Self::held_slot(shop, server, &joan).await;
        let reward = json!({ "code": "mug", "name": "A mug", "cost": 1, "sku": "MUG" });
        let reward = shop.done(owner, "rewardUpsert", reward).await;
        let claim = shop.done(&joan, "rewardClaim", json!({ "rewardId": id(&reward["reward"]) })).await;
        let seen = "{ me { points { lots { id } entries { nodes { id } } } } sessions { nodes { id } } }";
        let seen = shop.graphql(&joan, seen, json!({})).await;
        let key = json!({ "name": "till", "scopes": ["orders:read"] });
        let key = shop.done(owner, "apiKeyCreate", key).await;
        let invite = json!({ "email": "new@example.org", "name": "Kim", "role": "SUPPORT" });
        let invitation = shop.done(owner, "staffInvite", invite).await;
        let support = shop.as_staff(Role::Support).await;
        let adjust = json!({ "customerId": joan.customer_id(), "delta": 5_000, "reason": "a lost parcel" });
        let adjustment = shop.done(&support, "pointsAdjust", adjust).await;
        let member = shop.graphql(&support, "{ staffMe { member { id } } }", json!({})).await;
        let code_to_sign_in = shop.sign_in_code(&joan.email).await;
        let code_to_reset = shop.reset_code(&joan.email).await;
        let code_to_change = shop.email_change_code(&joan, "joan-new@example.org").await;
        let plan = json!({ "code": "plus", "name": "Plus", "price": "9.99", "billed": "MONTH" });
        shop.done(owner, "membershipPlanUpsert", plan).await;
        let membership =
            shop.done(&joan, "membershipJoin", json!({ "plan": "plus", "payOn": "DEVICE" })).await;
        let things = vec![
            (NodeType::Membership, id(&membership["membership"])),
            (NodeType::Customer, joan.customer_id().to_owned()),
            (NodeType::Guest, guest["guestId"].as_str().unwrap().to_owned()),
            (NodeType::Order, id(&order)),
            (NodeType::OrderLine, id(&order["lines"][0])),
            (NodeType::Product, id(&product["product"])),
            (NodeType::PointsHold, id(&hold["hold"])),
            (NodeType::PointsLot, seen.text("/me/points/lots/0/id").to_owned()),
            (NodeType::Staff, member.text("/staffMe/member/id").to_owned()),
            (NodeType::Session, seen.text("/sessions/nodes/0/id").to_owned()),
            (NodeType::CustomerAddress, id(&address["address"])),
            (NodeType::ApiKey, id(&key["apiKey"])),
            (NodeType::StaffInvitation, id(&invitation["invitation"])),
            (NodeType::PointsAdjustment, id(&adjustment["adjustment"])),
            (NodeType::PointsEntry, seen.text("/me/points/entries/nodes/0/id").to_owned()),
            (NodeType::EarningRule, id(&rule["rule"])),
            (NodeType::Coupon, id(&coupon["coupon"])),
            (NodeType::CouponUse, id(&used["couponUse"])),
            (NodeType::Reward, id(&reward["reward"])),
            (NodeType::RewardClaim, id(&claim["claim"])),
            (NodeType::DeliverySlot, slot),
            (NodeType::DeliverySlotHold, slot_hold),
            (NodeType::Message, shop.in_inbox(&joan).await),
        ];
        let suppress = json!({ "email": "gone@example.org", "reason": "by letter" });
        let suppressed = shop.done(owner, "suppressionCreate", suppress).await;
        let things = [things, vec![(NodeType::Suppression, id(&suppressed["suppression"]))]].concat();
        let (order, other_line) = (id(&order), id(&another["lines"][0]));
        let joan = joan.clone();
        Self { joan, things, sold_out, order, other_line, code_to_sign_in, code_to_reset, code_to_change }
    }

    /// A delivery slot, and the place in it that Joan holds.
    async fn held_slot(shop: &TestApp, server: &Caller, joan: &Caller) -> (String, String) {
        let rates = json!([{ "currency": "EUR", "price": "4.95" }]);
        let names = json!([{ "locale": "en", "name": "Post" }]);
        let method = json!({ "code": "post", "names": names, "basis": "FLAT", "rates": rates });
        shop.done(server, "shippingMethodUpsert", method).await;
        let slot = json!({ "externalId": "monday", "method": "post", "areas": [{ "country": "NL" }], "capacity": 5,
            "startsAt": "2027-01-04T09:00:00Z", "endsAt": "2027-01-04T12:00:00Z", "cutOffAt": "2027-01-03T20:00:00Z" });
        let slots = shop.done(server, "deliverySlotsUpsert", json!({ "slots": [slot] })).await;
        let slot = slots["slots"][0]["id"].as_str().unwrap().to_owned();
        let held = shop.done(joan, "deliverySlotHold", json!({ "slotId": slot })).await;
        (slot, held["hold"]["id"].as_str().unwrap().to_owned())
    }

    fn thing(&self, of: NodeType) -> &str {
        let found = self.things.iter().find(|(candidate, _)| *candidate == of);
        found.map_or_else(|| panic!("no {of:?} was made"), |(_, id)| id.as_str())
    }

    /// The existing thing of the place.
    fn at(&self, place: &Place) -> String {
        match at(&mut place.rest.clone(), place.path).as_str() {
            Some(id) => id.to_owned(),
            None => self.thing(place.of).to_owned(),
        }
    }
}

/// Every place. `mine` is the customer who is not Joan.
fn places(shop: &TestApp, there: &Existing, mine: &str) -> Vec<Place> {
    use HiddenFrom::{All, Nobody, Strangers};
    use NodeType::{
        ApiKey, Coupon, CouponUse, Customer, CustomerAddress, EarningRule, Guest, Order, OrderLine,
        PointsAdjustment, PointsEntry, PointsHold, PointsLot, Product, Reward, RewardClaim, Session, Staff,
        StaffInvitation,
    };
    let customer = |operation, hidden, rest: Json| {
        place(operation, "input.customerId", Customer, hidden, json!({ "input": rest }))
    };
    let both = json!({ "intoId": mine, "fromId": mine, "reason": "the same person" });
    let address = json!({ "line1": "Dam 1", "city": "Amsterdam", "country": "NL" });
    let hold = json!({ "customerId": mine, "holdId": there.thing(PointsHold) });
    let line = json!([{ "lineId": there.other_line, "quantity": 1 }]);
    let mut reset = there.code_to_reset.clone();
    reset["password"] = json!("another horse without battery");
    let returned = json!({ "input": { "lines": [{ "position": 1, "quantity": 1 }] } });
    let merging = |path, other: &str| {
        let mut named = both.clone();
        named.as_object_mut().unwrap().remove(other);
        place("customerMerge", path, Customer, Nobody, json!({ "input": named }))
    };
    vec![
        place("customer", "id", Customer, Strangers, json!({})),
        place("guest", "id", Guest, Strangers, json!({})),
        place("order", "id", Order, Strangers, json!({})),
        place("product", "id", Product, Nobody, json!({})),
        place("node", "id", Order, Strangers, json!({})),
        place("orders", "filter.customerId", Customer, Nobody, json!({ "filter": {} })),
        place("auditEntries", "filter.customerId", Customer, Nobody, json!({ "filter": {} })),
        place("auditEntries", "filter.staffId", Staff, Nobody, json!({ "filter": {} })),
        place("customerMergePreview", "fromId", Customer, Nobody, json!({ "intoId": mine })),
        place("customerMergePreview", "intoId", Customer, Nobody, json!({ "fromId": mine })),
        place("explainCoupon", "customerId", Customer, Strangers, json!({ "code": "TEN", "cart": cart() })),
        customer("couponCreate", Nobody, json!({ "name": "Ten off", "percent": "0.1" })),
        of_one("couponDisable", "input.id", Coupon, Nobody),
        customer("couponReserve", Strangers, json!({ "code": "TEN", "cart": cart() })),
        of_one("couponRelease", "input.id", CouponUse, Strangers),
        of_one("rewardClaim", "input.rewardId", Reward, Nobody),
        customer("rewardClaim", Strangers, json!({ "rewardId": there.thing(Reward) })),
        of_one("rewardClaimFulfil", "input.claimId", RewardClaim, Nobody),
        of_one("rewardClaimCancel", "input.claimId", RewardClaim, Nobody),
        place("explainPoints", "entryId", PointsEntry, Strangers, json!({})),
        place("earningRuleBacktest", "ruleId", EarningRule, Nobody, json!({ "days": 30 })),
        of_one("earningRulePublish", "input.ruleId", EarningRule, Nobody),
        of_one("earningRuleRetire", "input.ruleId", EarningRule, Nobody),
        place("waitlist", "productId", Product, Nobody, json!({})),
        place("waitlistJoin", "input.productId", Product, Nobody, json!({ "input": { "customerId": mine } })),
        place(
            "waitlistLeave",
            "input.productId",
            Product,
            Nobody,
            json!({ "input": { "customerId": mine } }),
        ),
        customer("waitlistJoin", Strangers, json!({ "productId": there.sold_out })),
        customer("waitlistLeave", Strangers, json!({ "productId": there.sold_out })),
        merging("input.fromId", "fromId"),
        merging("input.intoId", "intoId"),
        of_code("mailboxProve", Nobody, &there.code_to_sign_in),
        of_code("passwordReset", Nobody, &reset),
        of_code("emailChangeConfirm", All, &there.code_to_change),
        of_code("sessionReauthenticate", All, &there.code_to_sign_in),
        of_one("sessionRevoke", "input.sessionId", Session, All),
        customer("customerUpdate", Strangers, json!({ "name": "Mallory" })),
        customer("customerAddressCreate", Strangers, json!({ "address": address })),
        customer("customerDisable", Nobody, json!({ "reason": "fraud" })),
        customer("customerEnable", Nobody, json!({ "reason": "no fraud" })),
        customer("customerTierSet", Nobody, json!({ "reason": "no fraud" })),
        customer("pointsEarn", Nobody, json!({ "points": 1, "reason": "a review" })),
        customer("pointsHold", Strangers, json!({ "points": 1 })),
        customer("pointsRedeem", Strangers, json!({ "points": 1, "reference": "a gift" })),
        customer("pointsAdjust", Nobody, json!({ "delta": 1, "reason": "a mistake" })),
        customer("orderRecord", Nobody, shop.order_input(json!({}))),
        customer("cartUpsert", Nobody, json!({ "externalId": "cart-1", "currency": "EUR", "lines": [] })),
        place("orderRecord", "input.holdId", PointsHold, All, json!({ "input": shop.order_input(hold) })),
        of_one("customerAddressUpdate", "input.addressId", CustomerAddress, Strangers),
        of_one("customerAddressDelete", "input.addressId", CustomerAddress, Strangers),
        of_one("orderPay", "input.id", Order, Nobody),
        of_one("orderShip", "input.id", Order, Nobody),
        of_one("orderDeliver", "input.id", Order, Nobody),
        of_one("orderCancel", "input.id", Order, Nobody),
        place("orderReturn", "input.id", Order, Nobody, returned),
        place(
            "orderReturn",
            "input.lines.lineId",
            OrderLine,
            All,
            json!({ "input": { "id": there.order, "lines": line } }),
        ),
        of_one("pointsVoid", "input.holdId", PointsHold, Strangers),
        of_one("pointsCapture", "input.holdId", PointsHold, Nobody),
        of_one("pointsActivate", "input.lotId", PointsLot, Nobody),
        of_one("staffInvitationRevoke", "input.id", StaffInvitation, Nobody),
        place("staffUpdate", "input.id", Staff, Nobody, json!({ "input": { "name": "Mallory" } })),
        of_one("staffTotpReset", "input.id", Staff, Nobody),
        of_one("apiKeyRotate", "input.id", ApiKey, Nobody),
        of_one("apiKeyRevoke", "input.id", ApiKey, Nobody),
        of_one("pointsAdjustmentApprove", "input.id", PointsAdjustment, Nobody),
        of_one("pointsAdjustmentReject", "input.id", PointsAdjustment, Nobody),
    ]
}

/// Those of memberships.
fn places_of_memberships(shop: &TestApp, mine: &str) -> Vec<Place> {
    use HiddenFrom::{Nobody, Strangers};
    use NodeType::{Customer, Membership};
    let of_one = |operation, rest: Json| {
        place(operation, "input.membershipId", Membership, Strangers, json!({ "input": rest }))
    };
    let join = json!({ "input": { "plan": "plus", "payOn": "DEVICE" } });
    let order = shop.order_input(json!({ "customerId": mine }));
    vec![
        place("membershipJoin", "input.customerId", Customer, Strangers, join),
        of_one("membershipCancel", json!({})),
        of_one("membershipKeep", json!({})),
        of_one("membershipPause", json!({ "until": "2026-04-01T00:00:00Z" })),
        of_one("membershipResume", json!({})),
        of_one("membershipPlanChange", json!({ "plan": "plus" })),
        place(
            "membershipPlanChangePreview",
            "membershipId",
            Membership,
            Strangers,
            json!({ "plan": "plus" }),
        ),
        place("membershipSavings", "customerId", Customer, Strangers, json!({ "plan": "plus" })),
        place("orderRecord", "input.membershipId", Membership, HiddenFrom::All, json!({ "input": order })),
        place(
            "membershipPortal",
            "customerId",
            Customer,
            Strangers,
            json!({ "returnUrl": "http://localhost/" }),
        ),
        place("membershipBilling", "membershipId", Membership, Nobody, json!({})),
        place("billingEvents", "membershipId", Membership, Nobody, json!({})),
    ]
}

/// Those of customers who bring friends.
fn places_of_friends() -> [Place; 2] {
    use HiddenFrom::{Nobody, Strangers};
    let named = json!({ "input": { "code": "ABCD-EFGH-2345" } });
    [
        place("referrals", "filter.customerId", NodeType::Customer, Nobody, json!({ "filter": {} })),
        place("referralAccept", "input.customerId", NodeType::Customer, Strangers, named),
    ]
}

/// Those of deliveries. `mine` is the customer who is not Joan.
fn places_of_deliveries(shop: &TestApp, there: &Existing, mine: &str) -> [Place; 5] {
    use HiddenFrom::{All, Nobody, Strangers};
    use NodeType::{Customer, DeliverySlot, DeliverySlotHold};
    let line = json!([{ "sku": "A-1", "quantity": 1, "lineTotal": "10.00" }]);
    let cart = json!({ "cart": { "country": "NL", "lines": line } });
    let slot = json!({ "input": { "slotId": there.thing(DeliverySlot) } });
    let order = json!({ "customerId": mine, "deliverySlotHold": there.thing(DeliverySlotHold) });
    let order = json!({ "input": shop.order_input(order) });
    [
        place("shippingQuote", "customerId", Customer, Strangers, cart),
        place(
            "deliverySlotHold",
            "input.slotId",
            DeliverySlot,
            Nobody,
            json!({ "input": { "customerId": mine } }),
        ),
        place("deliverySlotHold", "input.customerId", Customer, Strangers, slot),
        of_one("deliverySlotRelease", "input.id", DeliverySlotHold, Strangers),
        place("orderRecord", "input.deliverySlotHold", DeliverySlotHold, All, order),
    ]
}

/// Those of what only some are offered, or want to be sent.
fn places_of_offers() -> [Place; 4] {
    use HiddenFrom::{Nobody, Strangers};
    let codes = json!({ "input": { "codes": ["A"] } });
    let no = json!([{ "purpose": "CARE", "channel": "EMAIL", "granted": false }]);
    let no = json!({ "input": { "consents": no, "source": "STAFF" } });
    let removing = json!({ "input": { "reason": "reads it again" } });
    [
        place("consentUpdate", "input.customerId", NodeType::Customer, Strangers, no),
        place("suppressionRemove", "input.id", NodeType::Suppression, Nobody, removing),
        place("productOrderability", "customerId", NodeType::Customer, Strangers, json!({ "skus": ["A-1"] })),
        place("rewardCodesAdd", "input.rewardId", NodeType::Reward, Nobody, codes),
    ]
}

/// A cart that a coupon is good for.
fn cart() -> Json {
    json!({ "lines": [{ "sku": "A-1", "lineTotal": "10.00" }] })
}

/// The value at a path of names; of a list, in the first item.
fn at<'a>(value: &'a mut Json, path: &str) -> &'a mut Json {
    path.split('.').fold(value, |inside, name| match inside {
        Json::Array(items) => &mut items[0][name],
        other => &mut other[name],
    })
}

/// Ids that are nothing to the caller.
fn nothings(there: &Existing, place: &Place, is_stranger: bool) -> Vec<String> {
    let other = if place.of == NodeType::PointsHold { NodeType::OrderLine } else { NodeType::PointsHold };
    let existing = there.at(place);
    let (_, local) = read(&existing.clone().into()).unwrap();
    let nothing = Uuid::from_u128(7);
    let mut ids = vec![
        global_id(place.of, nothing).to_string(),
        global_id(other, local).to_string(),
        there.thing(other).to_owned(),
        String::new(),
        "x".to_owned(),
        local.to_string(),
    ];
    let is_hidden = match place.hidden {
        HiddenFrom::Nobody => false,
        HiddenFrom::Strangers => is_stranger,
        HiddenFrom::All => true,
    };
    ids.extend(is_hidden.then_some(existing));
    ids
}

/// Asserts that an answer tells of nothing.
fn assert_nothing(place: &Place, answer: &Json, what: &str) {
    if let Some(errors) = answer.get("userErrors") {
        let codes: Vec<_> = errors.as_array().unwrap().iter().map(|error| &error["code"]).collect();
        assert_eq!(codes, [place.code], "{what}: {answer:#}");
    } else if let Some(nodes) = answer.get("nodes") {
        assert_eq!(nodes, &json!([]), "{what}");
        assert_eq!(answer.get("totalCount").unwrap_or(&json!(0)), 0, "{what}");
    } else {
        assert_eq!(answer, &Json::Null, "{what}");
    }
}

/// Sends the operation of a place with each id, and asserts one answer, and that nothing changed.
async fn try_place(
    shop: &TestApp,
    (who, caller): (&str, &Caller),
    call: (&str, bool),
    place: &Place,
    ids: &[String],
) {
    let (query, takes_key) = call;
    let mut first: Option<Json> = None;
    for id in ids {
        let mut variables = place.rest.clone();
        *at(&mut variables, place.path) = json!(id);
        if takes_key {
            variables["input"]["idempotencyKey"] = json!(format!("key-{}", shop.next_number()));
        }
        let what = format!("{who} calls {} with {} {id:?}", place.operation, place.path);
        let answer = shop.graphql(caller, query, variables).await;
        assert!(answer.body.get("errors").is_none(), "{what}: {:#}", answer.body);
        let told = &answer.data()[place.operation];
        assert_nothing(place, told, &what);
        assert_eq!(told, first.get_or_insert_with(|| told.clone()), "{what}, against {:?}", ids[0]);
    }
}

both_engines! {
    async fn an_id_of_nothing_and_of_what_is_not_the_callers_are_one_answer_everywhere(shop: &TestApp) {
        let (server, owner) = (shop.as_server().await, shop.as_staff(Role::Owner).await);
        let (mut there, eve) = (Existing::made(shop, &server, &owner).await, shop.as_member(&server, 100).await);
        let token = feedback::made(shop, &server, &mut there).await;
        let mut places = places(shop, &there, eve.customer_id());
        places.extend(places_of_friends());
        places.extend(messages::places());
        places.extend(feedback::places(&token));
        places.extend(places_of_offers());
        places.extend(places_of_memberships(shop, eve.customer_id()));
        places.extend(places_of_deliveries(shop, &there, eve.customer_id()));
        let told = Told::by(shop).await;
        let fields = told.root_fields();
        let in_schema: BTreeSet<(String, String)> = fields
            .iter()
            .flat_map(|(_, field)| {
                let name = field["name"].as_str().unwrap();
                told.id_paths(&field["args"], &[]).into_iter().map(move |path| (name.to_owned(), path))
            })
            .collect();
        let in_table: BTreeSet<_> =
            places.iter().map(|place| (place.operation.to_owned(), place.path.to_owned())).collect();
        assert_eq!(in_table.len(), places.len(), "a place is in the table twice");
        assert_eq!(in_table, in_schema);

        let nobody = Caller::anonymous();
        let (mut tried, mut failed) = (BTreeSet::new(), Vec::new());
        for place in &places {
            let row = Operation::of(place.operation).unwrap();
            let (word, field) = fields.iter().find(|(_, field)| field["name"] == place.operation).unwrap();
            let (query, takes_key) = (told.call_with_variables(word, field), told.takes_idempotency_key(field));
            let callers = [
                ("nobody", &nobody, row.anonymous, true),
                ("a customer", &eve, row.anonymous || row.customer, true),
                ("a server", &server, row.anonymous || row.shop.is_some(), false),
                ("the owner", &owner, row.anonymous || row.staff.is_some(), false),
            ];
            for (who, caller, _, is_stranger) in callers.into_iter().filter(|(_, _, may, _)| *may) {
                let ids = nothings(&there, place, is_stranger);
                let act = async || try_place(shop, (who, caller), (&query, takes_key), place, &ids).await;
                // One place that fails does not hide the next.
                let ended = AssertUnwindSafe(shop.unchanged_by(act)).catch_unwind().await;
                if ended.is_err() {
                    failed.push((who, place.operation, place.path));
                }
                tried.insert((place.operation, place.path));
            }
        }
        assert_eq!(failed, []);
        assert_eq!(tried.len(), places.len(), "no caller of the test may call some operation");
        // What all of them tried is good in the right hands still.
        let Existing { joan, code_to_sign_in, code_to_change, .. } = there;
        shop.credential(&joan, "sessionReauthenticate", code_to_sign_in).await.assert_done();
        shop.credential(&joan, "emailChangeConfirm", code_to_change).await.assert_done();
    }
}
