"""Labels of numbers: words just before a number that say that it is an order's, a contract's or another thing's."""

import re

_PHONE_LABELS = r"telefon|handy|mobil|ruf|fax|rückruf|festnetz|durchwahl|notruf|whatsapp|puhelin"

_LATIN = (
    r"orders?|tickets?|invoices?|customer|client|case|ref(?:erence)?|serial|s/?n|parts?|model|article|item|batch|lot|sku",
    r"(?:ean|gtin|upc|isbn|issn|ismn)(?:-?\d{1,2})?|imei|tracking|waybill|parcel|package|shipment|po|rma|awb|account",
    r"contract|policy|meter|tax|vat|ust|id|[ug]uid|hash|pin|error|code|licen[cs]e|version|build|epoch|routing|blz|isin",
    r"bestellung|rechnung|paket|sendung|vertrag|konto|artikel|charge|zähler|commande|facture|colis|pedido|factura",
    r"encomenda|protocolo|ordine|fattura|spedizione|bestelling|factuur|zending|sipariş|fatura|kargo|takip",
    r"zam[oó]wieni[ae]|faktur[aęy]?|przesyłk[ai]|umow[ay]|paczk[ai]|rendelés\w{0,4}|számla\w{0,4}|objednávk\w",
    r"zásilk\w|smlouv\w|comand[aă]|pesanan|resi|(?:mã )?(?:vận )?đơn(?: hàng)?",
    rf"(?!{_PHONE_LABELS}|\w*karten)\w{{3,}}(?:nummer|numero|nr|id)",
)
"""Labels; those of telephones are none."""

_COUNTERS = "no|nr|idnr|number|nummer|numer|número|numero|id|is|ist|was|code|[A-Z]{2}|n[º°o]"

_OTHERS = (
    r"(?:订单|訂單|[单單运運]|快递|快遞|物流|包裹|合同|发票|發票|工单|序列|流水|交易|案件|保单)(?:[号號][码碼]?|[编編][号號])",
    r"[编編][号號]|(?:注文|伝票|追跡|お客様|契約|製造|管理|受付|予約|請求書?|問い?合わ?せ|送り状|シリアル|商品|口座|整理)番号|品番|型番",
    r"(?:주문|송장|운송장|등록|고객|계약|예약|접수|문의|상품|제품|일련|계좌|청구)\s?번호",
    r"(?:заказ|накладн|договор|сч[её]т|посылк|заявк|обращени|артикул|полис|замовлен)\w{0,4}",
    r"(?:παραγγελ|τιμολ[οό]γ|αποστολ|συμβ[οό]λα)\w{0,4}",
    r"(?:ال)?(?:طلب|طلبية|شحنة|فاتورة|عقد|حساب|تتبع|حجز|تذكرة)",
    r"ה?(?:הזמנה|חשבונית|משלוח|לקוח|חוזה|פנייה|מעקב)",
    r"(?:ऑर्डर|बिल|चालान|ट्रैकिंग|ग्राहक|टिकट|बुकिंग|खाता)\s(?:संख्या|नंबर|आईडी)",
    r"(?:หมายเลข|เลขที่|เลข|รหัส)(?:คำสั่งซื้อ|ใบสั่งซื้อ|พัสดุ|ออเดอร์|สินค้า|ลูกค้า|ใบแจ้งหนี้|บัญชี|สัญญา)",
)
"""Labels in other scripts."""

_LABEL = re.compile(
    rf"(?:\b(?P<label>{'|'.join(_LATIN)})|\b(?:number|nr|no|numéro|número|num))"
    rf"(?:[\s.:#/-]{{0,3}}\b(?:{_COUNTERS})\b)*[\s.:#/-]{{0,3}}\Z",
    re.IGNORECASE,
)
_OTHER_LABEL = re.compile(rf"(?:{'|'.join(_OTHERS)})[\s:#№/：-]{{0,4}}\Z", re.IGNORECASE)


def is_labelled(before: str, *, plainly: bool = True) -> bool:
    """Whether the text before a number labels it as an order, a serial number or similar.

    Args:
        before: What is before it.
        plainly: Whether a word such as `number` alone is no such label.
    """
    if not before.isascii() and _OTHER_LABEL.search(before):
        return True
    label = _LABEL.search(before)
    return label is not None and not (plainly and label["label"] is None)
