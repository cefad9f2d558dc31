//! What shops, customers and staff do in many tests.

use entity::staff::Role;
use regulars::auth::viewer::Scope;
use regulars::import::{Format, Orders, Reading, Totals, load};
use serde_json::{Value as Json, json};

use super::{Answer, Caller, TestApp};

const ORDER: &str = "order {
    id externalId state flags notYetOrderable packingInstructions { rule text } couponRefusal referralRefusal claimToken customerId guestId holdId paidAt shippedAt deliveredAt cancelledAt
    deliverySlotRefusal deliverySlotHold { id state } shippingTerms { method standard { amount } charged { amount } saved { amount } plan memberPrices { plan price { amount } } }
    paidWithPoints { amount currency } linesTotal { amount } total { amount }
    lines { id position sku quantity returned redeemedPoints redeemedValue { amount } }
    returns { lineId quantity reason }
} replayed";
const POINTS: &str = "points replayed
    hold { id state points reversed orderId reference expiresAt value { amount currency } }
    adjustment { id state customerId delta reason requestedBy requestedAt decidedBy decidedAt }
    account { available pending held debt redeemed expired }";
const SETTINGS: &str = "settings { version name } replayed";
const INVITATION: &str = "invitation { id email name role invitedBy expiresAt endedAt open } replayed";
const MEMBER: &str = "member { id email name role totpEnabled disabledAt } replayed";
const API_KEY: &str = "apiKey {
    id name prefix scopes createdAt expiresAt revokedAt lastUsedAt active replacedBy
} secret replayed";
const CUSTOMER: &str = "customer { id externalId name email locale birthday phone preferences { key value }
    acquisitionReason disabled } replayed";
const ADDRESS: &str = "address { id defaultShipping defaultBilling address {
        name company line1 line2 postalCode city region country phone } }
    customer { id addresses { id defaultShipping defaultBilling } } replayed";
const RULE: &str = "rule { id code versions { version name state effectiveFrom effectiveUntil } } replayed";
const PRODUCT: &str =
    "product { id sku name categories publicFrom earlyAccessFrom visibility replenishAfterDays
    careWindowDays stock inStock weightGrams companionSkus archived createdAt updatedAt } replayed";
const CART: &str = "cart { id externalId customer { id } email state total { amount currency }
    lines { sku name quantity lineTotal { amount currency } } touchedAt closedAt updatedAt } replayed";
const METHOD: &str = "method { code names { locale name } basis active position
    rates { countries currency fromGrams fromValue { amount } price { amount } freeFrom { amount } } } replayed";
const REVIEW: &str = "review { id rating title body author state revision answer product { sku } customerId
    submittedAt publishedAt answeredAt } replayed";
const WAITLIST: &str = "waitlist { product { sku } joinedAt } replayed";

const MEMBERSHIP: &str = "membership { id state entitled cancelsAt paidThrough price { amount } plan { code }
    nextPlan { code } nextPlanAt } replayed";

/// What a mutation is asked for besides its `userErrors`.
fn selection(mutation: &str) -> &'static str {
    match mutation {
        order if order.starts_with("order") => ORDER,
        points if points.starts_with("points") => POINTS,
        address if address.starts_with("customerAddress") => ADDRESS,
        customer if customer.starts_with("customer") => CUSTOMER,
        "productUpsert" | "productStockAdjust" => PRODUCT,
        "productsUpsert" => "products { id sku name stock } replayed",
        "waitlistJoin" | "waitlistLeave" => WAITLIST,
        "cartUpsert" => CART,
        "cartDelete" => "externalId replayed",
        "staffInvite" | "staffInvitationRevoke" => INVITATION,
        "staffUpdate" | "staffTotpReset" => MEMBER,
        "staffTotpBegin" => "secret uri replayed",
        key if key.starts_with("apiKey") => API_KEY,
        "shopSettingsUpdate" => SETTINGS,
        rule if rule.starts_with("earningRule") => RULE,
        "couponCreate" | "couponDisable" => "coupon { id code used disabledAt } replayed",
        "couponReserve" | "couponRelease" => "couponUse { id state discount { amount currency } } replayed",
        "messageTemplateDraft" | "messageTemplatePublish" => {
            "template { code name builtIn published { version } draft { version } } replayed"
        }
        "messageTemplateTestSend" => "queued replayed",
        "inboxMarkRead" => "marked unread replayed",
        "packingRuleUpsert" => {
            "rule { code active texts { locale text } conditions { tiers nthPurchase } } replayed"
        }
        "shippingMethodUpsert" => METHOD,
        "deliverySlotsUpsert" => "slots { id externalId capacity taken closedAt } replayed",
        "deliverySlotClose" => "slot { id externalId closedAt } replayed",
        "deliverySlotHold" | "deliverySlotRelease" => {
            "hold { id state expiresAt slot { externalId method left capacity taken } } replayed"
        }
        "rewardCodesAdd" => "reward { stock available } added duplicates replayed",
        "rewardUpsert" => "reward { id code cost stock available } replayed",
        claim if claim.starts_with("rewardClaim") => {
            "claim { id state cost couponCode externalCode } replayed"
        }
        "billingEventReplay" => "event { id kind state membershipId problem } replayed",
        "membershipPlanUpsert" => "plan { id code archived } replayed",
        "membershipJoin" => {
            "membership { id state plan { code } } checkoutUrl confirmation { clientSecret isForLater } replayed"
        }
        membership if membership.starts_with("membership") => MEMBERSHIP,
        journey if journey.starts_with("journey") => "journey { code state version } replayed",
        "productUpdateAnnounce" => "announced replayed",
        "consentUpdate" => "consents { purpose channel state optIn source at allowed } replayed",
        "suppressionCreate" => "suppression { id channel reason detail } replayed",
        "suppressionRemove" => "removedId replayed",
        review if review.starts_with("review") => REVIEW,
        "surveyUpsert" => {
            "survey { code kind active builtIn title { locale text } questions { code } } replayed"
        }
        "referralAccept" => "referral { id state } replayed",
        other => panic!("what does {other} answer?"),
    }
}

fn input_type(mutation: &str) -> String {
    match mutation {
        "rewardClaimFulfil" | "rewardClaimCancel" => "RewardClaimEndInput".to_owned(),
        "pointsVoid" | "pointsCapture" => "PointsHoldEndInput".to_owned(),
        "membershipKeep" | "membershipResume" => "MembershipInput".to_owned(),
        "journeyPublish" | "journeyPause" | "journeyResume" | "journeyRetire" => "JourneyInput".to_owned(),
        "waitlistJoin" | "waitlistLeave" => "WaitlistInput".to_owned(),
        "pointsAdjustmentApprove" | "pointsAdjustmentReject" => "PointsAdjustmentDecideInput".to_owned(),
        _ => format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]),
    }
}

/// The sums of an account in the order available, pending, held, debt.
pub(crate) type Sums = [i64; 4];

impl TestApp {
    /// Sends one mutation; an input without an idempotency key gets a new one.
    pub(crate) async fn mutate(&self, caller: &Caller, mutation: &str, mut input: Json) -> Answer {
        if input.get("idempotencyKey").is_none() {
            input["idempotencyKey"] = json!(format!("key-{}", self.next_number()));
        }
        let (of, asked) = (input_type(mutation), selection(mutation));
        let query = format!(
            "mutation ($input: {of}!) {{ {mutation}(input: $input) {{ {asked} userErrors {{ code field message }} }} }}"
        );
        self.graphql(caller, &query, json!({ "input": input })).await
    }

    /// The same; a mutation that is refused fails the test.
    pub(crate) async fn done(&self, caller: &Caller, mutation: &str, input: Json) -> Json {
        let answer = self.mutate(caller, mutation, input).await;
        answer.assert_done();
        answer.payload().clone()
    }

    /// The same for a mutation that must be refused: it must leave every table as it was.
    pub(crate) async fn refused(&self, caller: &Caller, mutation: &str, input: Json, code: &str) -> Answer {
        let answer = self.unchanged_by(async || self.mutate(caller, mutation, input).await).await;
        answer.assert_user_error(code);
        answer
    }

    /// The shop's server, which may do everything that a server may.
    pub(crate) async fn as_server(&self) -> Caller {
        self.as_shop_key(Scope::ALL).await
    }

    /// A new customer with so many points.
    pub(crate) async fn as_member(&self, server: &Caller, points: i64) -> Caller {
        let member = self.as_customer().await;
        if points > 0 {
            let grant = json!({ "customerId": member.customer_id(), "points": points, "reason": "welcome" });
            self.done(server, "pointsEarn", grant).await;
        }
        member
    }

    /// The sums of a customer's account.
    pub(crate) async fn sums(&self, server: &Caller, customer_id: &str) -> Sums {
        let query = "query ($id: ID!) { customer(id: $id) { points { available pending held debt } } }";
        let answer = self.graphql(server, query, json!({ "id": customer_id })).await;
        sums_of(answer.at("/customer/points"))
    }

    /// The sums of a guest's account.
    pub(crate) async fn guest_sums(&self, server: &Caller, email: &str) -> Sums {
        let query = "query ($email: EmailAddress!) { guest(email: $email) {
            points { available pending held debt } } }";
        let answer = self.graphql(server, query, json!({ "email": email })).await;
        sums_of(answer.at("/guest/points"))
    }

    /// Changes the points programme.
    pub(crate) async fn set_programme(&self, programme: Json) {
        self.set(json!({ "programme": programme })).await;
    }

    /// Changes the settings of the shop.
    pub(crate) async fn set(&self, mut settings: Json) {
        let owner = self.as_staff(Role::Owner).await;
        let answer = self.graphql(&owner, "{ shopSettings { version } }", json!({})).await;
        settings["expectedVersion"] = answer.at("/shopSettings/version").clone();
        self.done(&owner, "shopSettingsUpdate", settings).await;
    }

    /// An order of a customer: so many pieces of one thing for a total. Not paid.
    pub(crate) async fn place(&self, server: &Caller, customer_id: &str, total: &str, pieces: i64) -> Json {
        let order = json!({ "customerId": customer_id, "lines": [line("A-1", pieces, total)] });
        self.record(server, order).await
    }

    /// Records an order; what `order` leaves out is made up.
    pub(crate) async fn record(&self, server: &Caller, order: Json) -> Json {
        let order = self.order_input(order);
        self.done(server, "orderRecord", order).await["order"].clone()
    }

    /// Fills in an order's external id, currency and lines.
    pub(crate) fn order_input(&self, mut order: Json) -> Json {
        let missing = |order: &Json, name: &str| order.get(name).is_none();
        if missing(&order, "externalId") {
            order["externalId"] = json!(format!("order-{}", self.next_number()));
        }
        if missing(&order, "currency") {
            order["currency"] = json!("EUR");
        }
        if missing(&order, "lines") {
            order["lines"] = json!([line("A-1", 1, "10.00")]);
        }
        order
    }

    /// Takes one step of an order.
    pub(crate) async fn step(&self, server: &Caller, mutation: &str, order: &Json) -> Json {
        self.done(server, mutation, json!({ "id": order["id"] })).await["order"].clone()
    }

    /// Returns pieces of the first line.
    pub(crate) async fn give_back(&self, server: &Caller, order: &Json, pieces: i64) -> Json {
        let lines = json!([{ "position": 1, "quantity": pieces }]);
        self.done(server, "orderReturn", json!({ "id": order["id"], "lines": lines })).await["order"].clone()
    }
}

/// A line of an order.
pub(crate) fn line(sku: &str, quantity: i64, total: &str) -> Json {
    json!({ "sku": sku, "name": format!("Thing {sku}"), "quantity": quantity, "lineTotal": total })
}

/// The sums of an account that was asked for them.
pub(crate) fn sums_of(account: &Json) -> Sums {
    ["available", "pending", "held", "debt"].map(|name| account[name].as_i64().expect("a number of points"))
}

/// Imports an order of the customer with this mailbox.
pub(crate) async fn import(shop: &TestApp, email: &str) {
    let file = format!(
        "order_id,placed_at,email,currency,sku,name,category,quantity,line_total,tax_rate,shipping,status\n\
         past-1,2025-03-01T10:00:00Z,{email},EUR,A-1,Tea,tea,1,12.00,,0,DELIVERED\n"
    );
    let reading = Reading { format: Format::Csv, guests: false, now: shop.clock.now() };
    let orders = Orders::open(std::io::Cursor::new(file), reading).unwrap();
    load(&shop.app, orders, &mut Totals::default(), |bad| panic!("{bad:?}")).await.unwrap();
}
